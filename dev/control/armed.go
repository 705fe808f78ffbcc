package control

import (
	"fmt"
	"strings"
	"time"

	"tillflow/standin/faults"
)

// armedRow is one rule as the page shows it.
type armedRow struct {
	Board, ID string
	// At is the stand-in's name, What and Call what goes wrong with which call, Did what came of it.
	At, What, Call, Did string
	State, Tone         string
	// Lift: there is still something to take back.
	Lift bool
}

// armed lists the rules of both stand-ins, those that may still strike first, and counts the answers held back.
func (s *Server) armed() (rows []armedRow, heldBack int) {
	var spent []armedRow
	for _, name := range boards() {
		status := s.board(name).Status()
		heldBack += status.Held
		for _, a := range status.Rules {
			row := describe(name, a)
			if row.Lift {
				rows = append(rows, row)
				continue
			}
			spent = append(spent, row)
		}
	}
	return append(rows, spent...), heldBack
}

func describe(board boardName, a faults.Armed) armedRow {
	row := armedRow{
		Board: string(board), ID: a.ID, At: board.title(), What: words(a.Rule), Call: a.Call, Lift: !a.Spent,
		Did: fmt.Sprintf("met %s, struck %d", count(a.Seen, "call"), a.Fired),
	}
	switch {
	case a.Spent && a.Fired == 0:
		row.State = "lifted"
	case a.Spent:
		row.State, row.Tone = "struck", "good"
	case a.Times < 0:
		row.State, row.Tone = "on", "wait"
	case a.Times > 1:
		row.State, row.Tone = fmt.Sprintf("armed, %d left", a.Times-a.Fired), "wait"
	default:
		row.State, row.Tone = "armed", "wait"
	}
	if a.Match != "" {
		row.Call += " with " + a.Match
	}
	return row
}

// words says what a rule does.
func words(r faults.Rule) string {
	pause := short(time.Duration(r.DelayMS) * time.Millisecond)
	switch r.Kind {
	case faults.LoseRequest:
		return "lose the request"
	case faults.LoseReply:
		return "lose the reply"
	case faults.Delay:
		return "begin " + pause + " late"
	case faults.DelayReply:
		return "answer " + pause + " late"
	case faults.HoldReply:
		return "hold the answer"
	case faults.TooManyRequests:
		return "refuse with 429"
	case faults.ErrorBefore:
		return "fail with 500, nothing done"
	case faults.ErrorAfter:
		return "do it and fail with 500"
	case faults.WrongAmount:
		return "take another amount"
	case faults.SlowSettle:
		return "settle after " + pause
	case faults.WebhookBeforeReply:
		return "webhook before the reply"
	case faults.WebhookDrop:
		return "drop the webhook"
	case faults.WebhookTwice:
		return "send the webhook twice"
	case faults.WebhookDelay:
		return "send the webhook " + pause + " late"
	case faults.WebhookReorder:
		return "send the webhook after the next one"
	default:
		if code, ok := r.Kind.DeclineCode(); ok {
			return "refuse with " + code
		}
		return string(r.Kind)
	}
}

// short writes a duration without the zeros behind it: 12h and not 12h0m0s.
func short(d time.Duration) string {
	text := d.String()
	if d >= time.Minute {
		text = strings.TrimSuffix(text, "0s")
	}
	if d >= time.Hour {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
