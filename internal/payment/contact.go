package payment

import "encoding/json"

// Contact is what a person is found again by: the mail address in a session's
// data about the buyer, else the phone number; empty without either. Shopify and
// /api/v1 name both members alike. The error, of encoding/json, may repeat the
// data: do not pass it on.
func Contact(buyer []byte) (string, error) {
	var person struct {
		Email string `json:"email"`
		Phone string `json:"phone_number"`
	}
	if err := json.Unmarshal(buyer, &person); err != nil {
		return "", err
	}
	if person.Email != "" {
		return person.Email, nil
	}
	return person.Phone, nil
}
