package bench

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
)

// front stands before the stand-in Stripe. For one account it can take every
// request and answer none, as a provider does that hangs at one merchant.
type front struct {
	key   string // the secret key of that account
	proxy *httputil.ReverseProxy

	mu      sync.Mutex
	silent  chan struct{} // not nil: requests of the account wait until it is closed
	hanging int
	most    int // hanging at once, since silence began
}

func newFront(stripe, key string) (*front, error) {
	to, err := url.Parse(stripe)
	if err != nil {
		return nil, err
	}
	return &front{key: key, proxy: &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: &http.Transport{MaxIdleConnsPerHost: 256},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.WriteHeader(http.StatusBadGateway) // the caller has gone, or the service says what it got
		},
	}}, nil
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") == "Bearer "+f.key {
		if silent := f.hang(); silent != nil {
			defer f.unhang()
			select {
			case <-silent:
			case <-r.Context().Done():
			}
			panic(http.ErrAbortHandler) // never answered, and never done
		}
	}
	f.proxy.ServeHTTP(w, r)
}

func (f *front) hang() chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.silent != nil {
		f.hanging++
		f.most = max(f.most, f.hanging)
	}
	return f.silent
}

func (f *front) unhang() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hanging--
}

// fallSilent makes the account's requests hang from now on.
func (f *front) fallSilent() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.silent, f.most = make(chan struct{}), 0
}

// speak ends that, and answers how many requests hung at once at most.
func (f *front) speak() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.silent)
	f.silent = nil
	return f.most
}
