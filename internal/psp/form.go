package psp

// Form is what a merchant fills in to connect an account.
type Form struct {
	// Title is the provider's name as people know it.
	Title string
	// About says in a sentence or two what the provider is and where the merchant finds what is asked for.
	About string
	// Live and Test say which modes there are.
	Live, Test bool
	// Fields are the credentials, in the order in which they are asked for. May be empty.
	Fields []Field
	// Events are what the merchant has to have sent to the account's webhook address; empty: the provider sends none.
	Events []string
}

// Field is one credential.
type Field struct {
	Name  string // in Credentials
	Label string
	Help  string // where to find it and what it looks like; may be empty
	// Secret values are typed hidden and never shown again.
	Secret   bool
	Optional bool
	Max      int // characters; longer ones are refused before they are sent anywhere
}

// Connectable connectors say what they need of a merchant.
type Connectable interface {
	Form() Form
}
