package letter

// Posting is a letter on its way to somebody.
type Posting struct {
	// ID is the letter's own for ever, such as subscription, period and kind; a
	// letter that goes out twice is recognised by it. It names no person.
	ID   string
	Shop string // whose it is
	Kind Kind
	// To is the customer's address. The merchant's letters go to the shop's own.
	To string
	// Locale is how the customer reads; empty: the shop's first language.
	Locale string
	// Facts of the letter; Shop is filled in when it is sent.
	Facts Facts
}

// Own is a shop's own text in place of ours.
type Own struct {
	Shop     string
	Kind     Kind
	Language string
	Template
}

// Check refuses a text that could not be sent; see [Kind.Check].
func (o Own) Check() error {
	for _, l := range Languages() {
		if l.Code == o.Language {
			return o.Kind.Check(o.Template)
		}
	}
	return &Fault{FieldSubject, "Letters are not written in this language."}
}
