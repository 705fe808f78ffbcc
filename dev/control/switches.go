package control

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tillflow/standin/faults"
)

// boardName names a stand-in that has switches.
type boardName string

const (
	atStripe  boardName = "stripe"
	atShopify boardName = "shopify"
)

// boards lists them in the order in which they are shown.
func boards() []boardName { return []boardName{atStripe, atShopify} }

func (b boardName) title() string {
	switch b {
	case atStripe:
		return "Stripe"
	case atShopify:
		return "Shopify"
	default:
		return string(b)
	}
}

// toggle is one switch of the page: a button with up to two choices beside it.
type toggle struct {
	Name, Title, Text, Button string
	Knobs                     []knob
	// rules says what to arm for what was chosen, one value a knob, in their order.
	rules func(chosen []string) []planned
}

// knob is a choice; the first option stands until somebody chooses.
type knob struct {
	Name, Label string
	Options     []option
}

type option struct{ Value, Text string }

// planned is a rule for one of the stand-ins.
type planned struct {
	board boardName
	rule  faults.Rule
}

// held is the choice to keep look-ups back.
const held = "held"

// toggles are the switches, in the order of the page.
func toggles() []toggle {
	money := []option{
		{"checkout.sessions.create", "opening a checkout"},
		{"payment_intents.capture", "a capture"},
		{"refunds.create", "a refund"},
		{"payment_intents.cancel", "a void"},
	}
	return []toggle{
		{
			Name: "lose-reply", Title: "Lose the next reply", Button: "Lose the next reply",
			Text: "Stripe does it, and the answer is lost on the way: the payment is in doubt until a look-up finds out. " +
				"Nothing may be sent a second time before that.",
			Knobs: []knob{
				{"call", "Reply to", money},
				{"looks", "Look-ups afterwards", []option{{held, "held until I let them through"}, {"free", "answered at once"}}},
			},
			rules: loseReply,
		},
		{
			Name: "webhook-twice", Title: "Webhook twice", Button: "Send the next webhook twice",
			Text:  "Stripe delivers its next message two times, as it does now and then. The second one must change nothing.",
			rules: one(atStripe, func([]string) faults.Rule { return faults.Rule{Call: "*", Kind: faults.WebhookTwice} }),
		},
		{
			Name: "webhook-first", Title: "Webhook before reply", Button: "Let the webhook overtake the reply",
			Text: "The message about a thing arrives before the answer to it: of the buyer's payment, before the browser is sent back.",
			Knobs: []knob{
				{"call", "Reply to", append([]option{{"hosted.pay", "the buyer's payment"}}, money[1:]...)},
			},
			rules: one(atStripe, func(chosen []string) faults.Rule {
				return faults.Rule{Call: chosen[0], Kind: faults.WebhookBeforeReply}
			}),
		},
		{
			Name: "slow-settle", Title: "Slow settle", Button: "Settle the next one slowly",
			Text: "Stripe accepts and works on it for a while, as with a bank debit. Shopify is told pending, and the end later.",
			Knobs: []knob{
				{"call", "What", []option{{"hosted.pay", "the buyer's payment"}, {"refunds.create", "a refund"}}},
				{"delay", "How long", []option{{"30s", "30 seconds"}, {"5m", "5 minutes"}, {"12h", "12 hours"}}},
			},
			rules: one(atStripe, func(chosen []string) faults.Rule {
				return faults.Rule{Call: chosen[0], Kind: faults.SlowSettle, DelayMS: milliseconds(chosen[1])}
			}),
		},
		{
			Name: "throttle", Title: "Shopify throttles", Button: "Throttle our answers",
			Text: "Shopify takes no answer for the rate limit's sake. What was decided stays decided and is told again, later each time.",
			Knobs: []knob{
				{"call", "Answers about", []option{
					{"paymentSession*", "payments"}, {"captureSession*", "captures"}, {"refundSession*", "refunds"}, {"voidSession*", "voids"},
				}},
				{"times", "How often", []option{{"1", "once"}, {"3", "3 times"}, {"10", "10 times"}}},
			},
			rules: one(atShopify, func(chosen []string) faults.Rule {
				times, _ := strconv.Atoi(chosen[1]) // one of the options above
				return faults.Rule{Call: chosen[0], Kind: faults.Decline("THROTTLED"), Times: times}
			}),
		},
	}
}

func one(board boardName, rule func([]string) faults.Rule) func([]string) []planned {
	return func(chosen []string) []planned { return []planned{{board, rule(chosen)}} }
}

// milliseconds of a duration that stands in a table here.
func milliseconds(text string) int64 {
	d, _ := time.ParseDuration(text)
	return d.Milliseconds()
}

// loseReply loses one reply and, if chosen, holds the answers of the look-ups that would find out at once.
func loseReply(chosen []string) []planned {
	call := chosen[0]
	rules := []planned{{atStripe, faults.Rule{Call: call, Kind: faults.LoseReply}}}
	if chosen[1] != held {
		return rules
	}
	looks := []string{"payment_intents.retrieve"} // a capture or a void is seen at its payment
	switch call {
	case "checkout.sessions.create":
		looks = []string{"checkout.sessions.list", "checkout.sessions.retrieve"}
	case "refunds.create":
		looks = []string{"refunds.list", "refunds.retrieve"}
	}
	for _, look := range looks {
		rules = append(rules, planned{atStripe, faults.Rule{Call: look, Kind: faults.HoldReply, Times: -1}})
	}
	return rules
}

// arm arms what a switch stands for.
func (s *Server) arm(r *http.Request) (string, *problem) {
	all := toggles()
	at := slices.IndexFunc(all, func(t toggle) bool { return t.Name == r.PathValue("switch") })
	if at < 0 {
		return "", &problem{http.StatusNotFound, "There is no such switch", "Use one of the switches below."}
	}
	t := all[at]
	chosen, words := make([]string, len(t.Knobs)), make([]string, len(t.Knobs))
	for i, k := range t.Knobs {
		o, ok := k.chosen(r.PostForm.Get(k.Name))
		if !ok {
			return "", &problem{
				http.StatusBadRequest, fmt.Sprintf("“%s” has no such choice, so nothing was armed", k.Label),
				"Load the page again and choose one of the list.",
			}
		}
		chosen[i], words[i] = o.Value, strings.ToLower(k.Label)+" "+o.Text
	}
	for _, p := range t.rules(chosen) {
		if _, err := s.board(p.board).Arm(p.rule); err != nil {
			return "", &problem{
				http.StatusInternalServerError, "The stand-in did not take the switch: " + err.Error(),
				"This is a fault of the page. Press “Lift all” and use the stand-in's own switches at /_faults.",
			}
		}
	}
	return strings.Join(append([]string{"Armed: " + t.Title}, words...), "; ") + ".", nil
}

// chosen finds what a form names; nothing named is the first option.
func (k knob) chosen(value string) (option, bool) {
	if value == "" {
		return k.Options[0], true
	}
	at := slices.IndexFunc(k.Options, func(o option) bool { return o.Value == value })
	if at < 0 {
		return option{}, false
	}
	return k.Options[at], true
}

// lift takes one rule back.
func (s *Server) lift(r *http.Request) (string, *problem) {
	board := s.board(boardName(r.PathValue("board")))
	if board == nil || !board.Disarm(r.PathValue("rule")) {
		return "", &problem{http.StatusNotFound, "That switch is not armed any more", "The list below is up to date."}
	}
	return "Lifted one switch.", nil
}

// clear takes everything back, at both stand-ins.
func (s *Server) clear(*http.Request) (string, *problem) {
	for _, name := range boards() {
		s.board(name).Clear()
	}
	return "Lifted all switches and emptied the list; what was held back goes through.", nil
}

// release lets held answers through and holds no more of them.
func (s *Server) release(*http.Request) (string, *problem) {
	let, lifted := 0, 0
	for _, name := range boards() {
		board := s.board(name)
		for _, a := range board.Status().Rules {
			if a.Kind == faults.HoldReply && !a.Spent && board.Disarm(a.ID) {
				lifted++
			}
		}
		let += board.Release()
	}
	if let+lifted == 0 {
		return "", &problem{http.StatusConflict, "Nothing is held back", "The list below is up to date."}
	}
	return fmt.Sprintf("Let %s through; later ones are answered at once.", count(let, "held answer")), nil
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
