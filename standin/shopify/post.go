package shopify

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	// postTimeout is how long Shopify waits for the app here. The real limit is not published.
	postTimeout = 3 * time.Second
	// maxAnswer bounds what is read of the app's answer.
	maxAnswer = 64 << 10
	// maxRedirect is Shopify's limit for redirect_url, in bytes.
	maxRedirect = 8192
	// keptAnswer is how much of an answer the books keep.
	keptAnswer = 2 << 10
)

// newClient makes the client that proves itself with Shopify's certificate.
func newClient(opts Options) *http.Client {
	return &http.Client{
		Timeout: postTimeout,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{
				MinVersion:   tls.VersionTLS12,
				Certificates: []tls.Certificate{opts.ClientCertificate},
				RootCAs:      opts.RootCAs,
			},
			DialContext:         (&net.Dialer{Timeout: postTimeout}).DialContext,
			TLSHandshakeTimeout: postTimeout,
			MaxIdleConnsPerHost: 128, // load runs: a handshake per session would measure TLS
			IdleConnTimeout:     30 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (s *Server) appURL(t SessionType) string {
	switch t {
	case PaymentSession:
		return s.opts.App.PaymentSessionURL
	case RefundSession:
		return s.opts.App.RefundSessionURL
	case CaptureSession:
		return s.opts.App.CaptureSessionURL
	case VoidSession:
		return s.opts.App.VoidSessionURL
	default:
		return ""
	}
}

// tell POSTs a session until the app accepts it or the tries are used up, and books every answer.
func (s *Server) tell(ctx context.Context, rec record, tries int) SessionAnswer {
	var answer SessionAnswer
	for try := 1; ; try++ {
		answer = s.post(ctx, rec)
		answer.Sent = try
		s.bookAnswer(rec.Session, answer)
		if answer.Accepted || try >= tries || ctx.Err() != nil {
			return answer
		}
		s.wait(ctx, try)
	}
}

func (s *Server) wait(ctx context.Context, try int) {
	waits := s.opts.RetryWaits
	if len(waits) == 0 {
		return
	}
	timer := time.NewTimer(waits[min(try, len(waits))-1])
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// post sends one request.
func (s *Server) post(ctx context.Context, rec record) SessionAnswer {
	session := rec.Session
	answer := SessionAnswer{ID: session.ID, GID: session.GID, Group: session.Group, Checkout: session.Checkout}
	started := s.opts.Now()
	status, body, err := s.send(ctx, session, rec.Body)
	answer.ElapsedMS = float64(s.opts.Now().Sub(started).Microseconds()) / 1000
	answer.Status, answer.Body = status, string(body)
	if err == nil {
		answer.RedirectURL, err = verdict(session.Type, status, body)
	}
	if err != nil {
		answer.Error = err.Error()
		s.opts.Log.Warn().Err(err).Str("shop", session.Shop).Str("session", session.ID).Msg("session not accepted by the app")
		return answer
	}
	answer.Accepted = true
	return answer
}

func (s *Server) send(ctx context.Context, session Session, body []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.appURL(session.Type), bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("build session request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Shopify-Shop-Domain", session.Shop)
	req.Header.Set("Shopify-Request-Id", requestID())
	req.Header.Set("Shopify-Api-Version", s.opts.APIVersion)
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("send session request: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end or given up: nothing to act on
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return resp.StatusCode, answer, fmt.Errorf("read session answer: %w", err)
	}
	return resp.StatusCode, answer, nil
}

// verdict is Shopify's view of an answer: a payment session needs any 2xx with a redirect_url, the others 201
// with an empty body or an empty object.
func verdict(t SessionType, status int, body []byte) (redirectURL string, err error) {
	if t != PaymentSession {
		if status != http.StatusCreated {
			return "", fmt.Errorf("answered %d instead of 201", status)
		}
		if trimmed := bytes.TrimSpace(body); len(trimmed) > 0 && !bytes.Equal(trimmed, []byte("{}")) {
			return "", errors.New("answered 201 with a body that is not {}")
		}
		return "", nil
	}
	if status < 200 || status > 299 {
		return "", fmt.Errorf("answered %d", status)
	}
	var answer struct {
		RedirectURL string `json:"redirect_url"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", errors.New("answered 2xx without JSON")
	}
	target, err := url.Parse(answer.RedirectURL)
	switch {
	case err != nil || target.Host == "" || target.Scheme != "https" && target.Scheme != "http":
		return "", errors.New("answered 2xx without an absolute redirect_url")
	case len(answer.RedirectURL) >= maxRedirect:
		return "", fmt.Errorf("answered a redirect_url of %d bytes", len(answer.RedirectURL))
	default:
		return answer.RedirectURL, nil
	}
}

// bookAnswer adds one answer to the books.
func (s *Server) bookAnswer(sent Session, answer SessionAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shops[sent.Shop]
	rec := sh.Sessions[sent.GID]
	posts := &rec.Session.Posts
	posts.Count++
	posts.LastStatus, posts.LastError = answer.Status, answer.Error
	posts.LastBody = answer.Body[:min(len(answer.Body), keptAnswer)]
	if answer.Accepted {
		posts.Accepted++
		switch rec.Session.RedirectURL {
		case "":
			rec.Session.RedirectURL = answer.RedirectURL
		case answer.RedirectURL:
		default:
			posts.OtherRedirects++
			sh.Counts.OtherRedirects++
		}
	}
	s.changed()
}
