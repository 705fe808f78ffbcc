package letter

import (
	"fmt"
	"time"

	"tillflow/internal/money"
	"tillflow/internal/subscription"
)

// Occasion is a piece of news with what letters about it tell.
type Occasion struct {
	News subscription.News
	Now  subscription.Record // the subscription as it stands
	Plan string              // what it is called to customers
	// Method is the kept method's label; empty: none is known.
	Method string
	// To and Locale are the customer's.
	To, Locale string
	// CustomerLink leads the customer to the page where the method is given, the
	// payment confirmed and the subscription seen; MerchantLink leads the merchant
	// to the subscription. Empty: there is none.
	CustomerLink, MerchantLink string
}

// Postings are the letters that a piece of news asks for: to the customer, to the
// merchant, to both or to nobody. Pausing, resuming and a change that was declined
// are answered where they were asked for, and need no letter.
//
// A decline after which collecting ends at once is told by the letter about the
// end: nobody is asked for a card that would not be charged any more.
func Postings(o Occasion) ([]Posting, error) {
	customer, merchant := kindsOf(o.News, o.Now.State)
	facts, err := o.facts()
	if err != nil {
		return nil, err
	}
	var list []Posting
	add := func(kind Kind, link string) {
		if kind == "" || !kind.ToMerchant() && o.To == "" {
			return
		}
		one := facts
		one.Link = link
		list = append(list, Posting{
			ID: fmt.Sprintf("%d-%s", o.News.ID, kind), Shop: o.News.Shop, Kind: kind, To: o.To, Locale: o.Locale, Facts: one,
		})
	}
	add(customer, o.CustomerLink)
	add(merchant, o.MerchantLink)
	return list, nil
}

// kindsOf says which letters a piece of news is; empty: none.
func kindsOf(n subscription.News, state subscription.State) (customer, merchant Kind) {
	switch n.Kind {
	case subscription.NewsBegan:
		return Started, MerchantStarted
	case subscription.NewsUpcoming:
		return RenewalUpcoming, ""
	case subscription.NewsDeclined:
		return declinedKinds(n)
	case subscription.NewsRecovered:
		return Recovered, MerchantRecovered
	case subscription.NewsGivenUp:
		switch outcomeOf(state) {
		case subscription.FinalPause:
			return DunningPaused, MerchantEnded
		case subscription.FinalUnpaid:
			return DunningUnpaid, MerchantEnded
		case subscription.FinalCancel:
			return DunningCancelled, MerchantEnded
		}
	case subscription.NewsEnded:
		return Cancelled, MerchantCancelled
	case subscription.NewsReview:
		return "", MerchantReview
	case subscription.NewsPaused, subscription.NewsResumed:
	}
	return "", ""
}

func declinedKinds(n subscription.News) (customer, merchant Kind) {
	switch n.Step {
	case subscription.ActRetry:
		if n.Ask == subscription.AskFunds {
			return InsufficientFunds, MerchantDeclined
		}
		return PaymentRetry, MerchantDeclined
	case subscription.ActFinal:
		if !n.StepAt.After(n.At) {
			return "", ""
		}
		if n.Ask == subscription.AskAuthenticate {
			return AuthenticationRequired, MerchantWaiting
		}
		return MethodNeeded, MerchantWaiting
	case subscription.ActReview: // the merchant is told by news of its own
	}
	return "", ""
}

// outcomeOf is the final action that led to a state; empty where somebody has gone
// on from there since, and there is nothing to tell any more.
func outcomeOf(state subscription.State) subscription.FinalAction {
	switch state {
	case subscription.Paused:
		return subscription.FinalPause
	case subscription.Unpaid:
		return subscription.FinalUnpaid
	case subscription.Cancelled:
		return subscription.FinalCancel
	case subscription.Pending, subscription.Trialing, subscription.Active, subscription.PastDue, subscription.Abandoned:
	}
	return ""
}

func (o Occasion) facts() (Facts, error) {
	zone, err := subscription.LoadZone(o.Now.Schedule.Zone)
	if err != nil {
		return Facts{}, err
	}
	f := Facts{
		Plan: o.Plan, Reference: o.Now.Ref, Amount: o.News.Amount, PeriodStart: o.Now.Period.Start, PeriodEnd: o.Now.Period.End,
		At: o.at(), Zone: zone, Method: o.Method, Reason: o.News.Reason, Outcome: outcomeOf(o.Now.State),
	}
	if f.Amount == (money.Amount{}) {
		f.Amount, err = o.Now.Terms.Price()
	}
	return f, err
}

// at is the moment that the news is about.
func (o Occasion) at() time.Time {
	switch o.News.Kind {
	case subscription.NewsUpcoming, subscription.NewsDeclined:
		return o.News.StepAt
	case subscription.NewsBegan, subscription.NewsEnded:
		return o.Now.Period.End
	case subscription.NewsRecovered, subscription.NewsGivenUp, subscription.NewsPaused, subscription.NewsResumed, subscription.NewsReview:
	}
	return time.Time{}
}
