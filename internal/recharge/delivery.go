package recharge

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"

	"tillflow/internal/payment"
)

// Delivery is a verified webhook. Recharge gives it no id, keeps no order and repeats it for two days: what it says is a reason to
// read the object again, never the truth about it.
type Delivery struct {
	// Key tells deliveries apart: the SHA-256 of topic and raw body in hex. A repeat has the same.
	Key   string
	Topic Topic
	// Object is the name of what it is about, "charge", and ID its id at Recharge.
	Object string
	ID     int64
	// Charge is set for charges.
	Charge *Charge
}

// ReadDelivery reads a body that [VerifyWebhook] has accepted. The body is one JSON object, the one of the REST API in its wrapper,
// in the webhook's version. Invalid if it is none, or of a topic without a name.
func ReadDelivery(header http.Header, body []byte) (Delivery, error) {
	topic := Topic(printable(header.Get(headerTopic)))
	if topic == "" {
		return Delivery{}, payment.Errorf(payment.Invalid, "recharge webhook: %s is missing", headerTopic)
	}
	var members map[string]json.RawMessage
	// Unmarshal refuses everything behind the value; VerifyWebhook relies on it.
	if err := json.Unmarshal(body, &members); err != nil {
		return Delivery{}, payment.Errorf(payment.Invalid, "recharge webhook %s: body is not a JSON object", topic)
	}
	d := Delivery{Key: deliveryKey(topic, body), Topic: topic}
	names := make([]string, 0, len(members))
	for name, raw := range members {
		if f, ok := readFields(raw); ok && f.whole("id") > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if slices.Contains(names, "charge") {
		names = []string{"charge"} // included objects may stand beside it
	}
	if len(names) != 1 {
		return Delivery{}, payment.Errorf(payment.Invalid, "recharge webhook %s: body does not say which object it is about", topic)
	}
	f, _ := readFields(members[names[0]])
	d.Object, d.ID = printable(names[0]), f.whole("id")
	if d.Object == "charge" {
		charge, odd := decodeCharge(members["charge"])
		if odd != nil {
			return Delivery{}, payment.Errorf(payment.Invalid, "recharge webhook %s: charge is %s", topic, odd.Reason)
		}
		d.Charge = &charge
	}
	return d, nil
}

func deliveryKey(topic Topic, body []byte) string {
	h := sha256.New()
	h.Write([]byte(topic))
	h.Write([]byte{0}) // a topic has no NUL, so that no topic and body read like another pair
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}
