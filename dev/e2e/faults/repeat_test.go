package faults

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/sync/errgroup"
)

// The storm: so many requests for one session, so many at a time.
const (
	stormPosts = 200
	stormAt    = 50
	stormClick = 20
)

// TestSameSession sends one session again and again, the first request among
// the others, and lets the buyer press the button many times.
func TestSameSession(t *testing.T) {
	w := open(t)
	s := w.vacant(t)
	prove(t, "3", func() string {
		return fmt.Sprintf("%d posts, %d at a time: %d accepted, %d other answers", stormPosts, stormAt, s.told().Posts.Accepted, s.told().Posts.OtherRedirects)
	})
	answers := s.storm(t)
	require.Len(t, answers, 1, "different answers to one request")
	booked := s.told()
	require.Equal(t, stormPosts, booked.Posts.Count)
	require.Equal(t, stormPosts, booked.Posts.Accepted)
	require.Zero(t, booked.Posts.OtherRedirects)

	var clicks errgroup.Group
	for range stormClick {
		clicks.Go(func() error {
			_, err := w.buyer.Choose(t.Context(), s.session.RedirectURL, "Card")
			return err
		})
	}
	require.NoError(t, clicks.Wait())
	s.finish(t)
	require.Len(t, s.books().Checkouts, 1)
	require.Equal(t, 1, s.books().Calls["checkout.sessions.create"])
	require.True(t, s.one("SELECT count(*) = 1 FROM payments WHERE "+mine, s.shop))
	require.Equal(t, 1, w.runs(t, s))
}

// storm answers the different redirects and their number.
func (s *sale) storm(t *testing.T) map[string]int {
	t.Helper()
	request := s.request("PsStorm")
	request.Group = "storm"
	var (
		mu      sync.Mutex
		answers = map[string]int{}
		posts   errgroup.Group
	)
	posts.SetLimit(stormAt)
	for range stormPosts {
		posts.Go(func() error {
			answer, err := s.w.stack.Shopify.StartSession(t.Context(), request)
			mu.Lock()
			defer mu.Unlock()
			s.session = answer
			answers[answer.Body]++
			return err
		})
	}
	require.NoError(t, posts.Wait())
	return answers
}

// runs counts the runs that Temporal ever had of the charge.
func (w *world) runs(t *testing.T, s *sale) int {
	t.Helper()
	found := 0
	soon(t, "the run is not listed", func() bool {
		list, err := w.client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Query: fmt.Sprintf("WorkflowId = %q", s.run()),
		})
		found = len(list.GetExecutions())
		return err == nil && found > 0
	})
	return found
}
