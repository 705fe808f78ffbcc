// Package brand is what a shop may change of how its pay page looks: one colour
// and one logo. Text stays readable whatever colour is chosen, in light and in
// dark, and a picture is served only after we have decoded it and encoded it
// anew, so that nothing else travels in it. It is pure.
//
// Contrast is that of WCAG 2.2: success criterion 1.4.3 asks for 4.5 between text
// and its ground.
package brand
