package activities

import (
	"context"

	"tillflow/internal/subscription"
)

// DueNews is the part of the record that letters about subscriptions need.
type DueNews interface {
	// DueNews claims news that nobody was told of, by moving the time of its next try.
	DueNews(ctx context.Context, limit int) ([]subscription.News, error)
	// NewsSent notes that everybody was told, or that there was nobody to tell.
	NewsSent(ctx context.Context, id int64) error
}

// NewsMailer tells people what happened to a subscription.
type NewsMailer interface {
	// SendNews sends the letters that news asks for; there may be none. A letter that
	// nobody can ever get is no error.
	SendNews(ctx context.Context, n subscription.News) error
}

// NewsSweep tells customers and merchants of subscriptions.
type NewsSweep struct {
	Due  DueNews
	Mail NewsMailer
}

// news sends what is due. A letter may go out twice when the worker dies between
// sending and noting it; it has one Message-ID, and moves nothing.
func (s *Sweep) news(ctx context.Context, res *SweepResult) error {
	if s.News == nil {
		return nil
	}
	list, err := s.News.Due.DueNews(ctx, batch)
	if err != nil {
		return err
	}
	for _, n := range list {
		err := s.News.Mail.SendNews(ctx, n)
		if err == nil {
			err = s.News.Due.NewsSent(ctx, n.ID)
		}
		res.count(&res.News, s.log("send news", n.SubscriptionID, err))
	}
	return nil
}
