package shopify

import (
	"net/http"
	"slices"
)

// Books is what GET /_books answers.
type Books struct {
	Shops map[string]ShopBook `json:"shops"`
}

// Books copies the books: with the sessions and orders of one shop, or of all if shop is empty. With countsOnly
// it copies the sums alone, which is cheap however long the books are.
func (s *Server) Books(shop string, countsOnly bool) Books {
	s.mu.Lock()
	defer s.mu.Unlock()
	books := Books{Shops: make(map[string]ShopBook)}
	for domain, sh := range s.shops {
		if shop != "" && shop != domain {
			continue
		}
		page := ShopBook{Counts: sh.Counts, Ready: sh.Ready, Handle: sh.Handle, Offered: sh.offered()}
		if !countsOnly {
			page.Configured = slices.Clone(sh.Configured)
			page.Apps = s.appBooks(sh)
			page.Deliveries = sh.deliveryList()
			page.Sessions = sh.sessionList()
			page.Orders = s.orderList(sh)
		}
		books.Shops[domain] = page
	}
	return books
}

// Session copies one session of the books by id or gid; false if it was never created here.
func (s *Server) Session(id string) (Session, bool) {
	rec, ok := s.outgoing(id)
	return rec.Session, ok
}

// sessionList copies the sessions. Their mutation lists are only ever appended to, so that the copies may share
// them.
func (sh *shop) sessionList() []Session {
	list := make([]Session, 0, len(sh.SessionGIDs))
	for _, gid := range sh.SessionGIDs {
		list = append(list, sh.Sessions[gid].Session)
	}
	return list
}

// deliveryList copies the deliveries.
func (sh *shop) deliveryList() []Delivery {
	list := make([]Delivery, 0, len(sh.Shipments))
	for _, ship := range sh.Shipments {
		list = append(list, ship.Delivery)
	}
	return list
}

// appBooks copies what the books say about every app of a shop.
func (s *Server) appBooks(sh *shop) map[string]AppBook {
	books := make(map[string]AppBook, len(s.apps))
	for _, app := range s.apps {
		inst := sh.Apps[app.handle]
		book := AppBook{
			State: inst.State, InstalledAt: inst.InstalledAt, UninstalledAt: inst.UninstalledAt, RedactAt: inst.RedactAt,
			Installs: inst.Installs, Scopes: slices.Clone(inst.Scopes), Tokens: slices.Clone(inst.Tokens.Issued),
			RefusedTokens: inst.RefusedTokens,
		}
		for _, hook := range app.listing.Webhooks {
			for _, topic := range hook.Topics {
				book.Subscriptions = append(book.Subscriptions, Subscription{App: app.handle, Topic: topic, Address: hook.URI})
			}
		}
		for _, sub := range inst.Subscriptions {
			book.Subscriptions = append(book.Subscriptions, *sub)
		}
		books[app.handle] = book
	}
	return books
}

func (s *Server) orderList(sh *shop) []Order {
	var list []Order
	for _, id := range sh.CheckoutIDs {
		if c := sh.Checkouts[id]; c.Number != 0 {
			list = append(list, s.order(sh, c))
		}
	}
	return list
}

func (s *Server) order(sh *shop, c *checkout) Order {
	b := sh.balance(c)
	return Order{
		Name: orderName(c), Checkout: c.ID, Group: c.Group, Amount: c.Amount, Currency: c.Currency, Test: c.Test,
		Status: sh.status(c, s.opts.Now()), Captured: formatAmount(b.captured, c.Currency),
		Refunded: formatAmount(b.refunded, c.Currency), Sessions: append([]string(nil), c.Sessions...),
	}
}

func (s *Server) serveBooks(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if id := query.Get("session"); id != "" {
		session, ok := s.Session(id)
		if !ok {
			writeJSON(w, http.StatusNotFound, plainError{"unknown session"})
			return
		}
		writeJSON(w, http.StatusOK, session)
		return
	}
	if shop := query.Get("shop"); shop != "" && s.shops[shop] == nil {
		writeJSON(w, http.StatusNotFound, plainError{"unknown shop"})
		return
	}
	writeJSON(w, http.StatusOK, s.Books(query.Get("shop"), query.Get("counts") != ""))
}
