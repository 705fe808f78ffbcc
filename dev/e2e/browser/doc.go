// Package browser walks through checkouts in headless Chromium, as a buyer does:
// from the shop's page over ours and the provider's to the thank-you page. Page
// scripts are off everywhere but in the Temporal UI. Every page that a story
// passes is measured at the width of a small phone and of a desktop and kept as
// a picture in dev/artefacts/browser.
package browser
