package shopify

import (
	"net/http"
)

// appsPage lists the apps of a shop.
type appsPage struct {
	Frame frame
	Apps  []appCard
}

type appCard struct {
	Handle, Name, Path string
	Status, Tone       string
	Installed          bool
	// Installable is false for an app without an address of its own.
	Installable bool
	Scopes      []string
	Since       string
	// SettingsPath leads to the payment settings, for the payments app only.
	SettingsPath string
	Redact       string
}

func appsPath(domain string) string { return "/shops/" + domain + "/admin/apps" }

func (s *Server) settingsPath(sh *shop) string {
	return "/shops/" + sh.Domain + "/services/payments_partners/gateways/" + s.opts.ClientID + "/settings"
}

func (s *Server) serveApps(w http.ResponseWriter, _ *http.Request, sh *shop) {
	s.render(w, http.StatusOK, "apps", s.appsPage(sh))
}

func (s *Server) appsPage(sh *shop) appsPage {
	s.mu.Lock()
	defer s.mu.Unlock()
	page := appsPage{Frame: frame{Title: "Apps", Shop: sh.Domain}}
	for _, app := range s.apps {
		inst := sh.Apps[app.handle]
		card := appCard{
			Handle: app.handle, Name: app.listing.Name, Path: appsPath(sh.Domain) + "/" + app.handle,
			Status: label(string(inst.State)), Tone: "over", Installable: app.listing.AppURL != "", Scopes: inst.Scopes,
		}
		if inst.installed() {
			card.Installed, card.Tone, card.Since = true, "good", inst.InstalledAt.Format("2006-01-02 15:04")
			if app.handle == PaymentsApp {
				card.SettingsPath = s.settingsPath(sh)
			}
		}
		if inst.RedactAt != nil {
			card.Redact = inst.RedactAt.Format("2006-01-02 15:04")
		}
		page.Apps = append(page.Apps, card)
	}
	return page
}

func (s *Server) uninstallApp(w http.ResponseWriter, r *http.Request, sh *shop) {
	app := s.app(r.PathValue("app"))
	if app == nil || !s.uninstall(sh, app) {
		s.noApp(w, sh)
		return
	}
	http.Redirect(w, r, appsPath(sh.Domain), http.StatusSeeOther)
}

func (s *Server) noApp(w http.ResponseWriter, sh *shop) {
	s.render(w, http.StatusNotFound, "error", errorPage{
		Frame: frame{Title: "No such app", Shop: sh.Domain}, Heading: "There is no such app here",
		Text: "It is not known to this shop, not installed, or has no address to open.",
		Back: appsPath(sh.Domain), BackText: "Back to Apps",
	})
}

// settingsPage is where the merchant activates the payments app, and where the app sends him when it is ready.
type settingsPage struct {
	Frame     frame
	Name      string
	Ready     bool
	Activated bool
	Handle    string
	// OpenPath leads to the app, Path takes activate and deactivate.
	OpenPath, Path string
}

func (s *Server) serveSettings(w http.ResponseWriter, r *http.Request, sh *shop) {
	s.mu.Lock()
	installed := sh.Apps[PaymentsApp].installed()
	page := settingsPage{
		Frame: frame{Title: "Payment settings", Shop: sh.Domain}, Name: s.app(PaymentsApp).listing.Name,
		Ready: sh.Ready != nil && *sh.Ready, Activated: sh.offered(), Handle: sh.Handle,
		OpenPath: appsPath(sh.Domain) + "/" + PaymentsApp + "/open", Path: s.settingsPath(sh),
	}
	s.mu.Unlock()
	if !installed || r.PathValue("key") != s.opts.ClientID {
		s.noApp(w, sh)
		return
	}
	s.render(w, http.StatusOK, "settings", page)
}

// activate switches the payments app on or off in checkout. Only an app that called itself ready can be switched on.
func (s *Server) activate(w http.ResponseWriter, r *http.Request, sh *shop) {
	on := r.PathValue("action") == "activate"
	if !on && r.PathValue("action") != "deactivate" {
		http.NotFound(w, r)
		return
	}
	s.mu.Lock()
	inst := sh.Apps[PaymentsApp]
	allowed := inst.installed() && r.PathValue("key") == s.opts.ClientID && (!on || sh.Ready != nil && *sh.Ready)
	if allowed {
		sh.Activated, inst.Seeded = on, false
		s.changed()
	}
	s.mu.Unlock()
	if !allowed {
		s.render(w, http.StatusConflict, "error", errorPage{
			Frame: frame{Title: "Not ready", Shop: sh.Domain}, Heading: "This app is not ready",
			Text: "Finish its own set-up first.", Back: appsPath(sh.Domain), BackText: "Back to Apps",
		})
		return
	}
	http.Redirect(w, r, s.settingsPath(sh), http.StatusSeeOther)
}

// noPayments answers a checkout or an order of a shop whose payments app takes nothing at the moment.
func (s *Server) noPayments(w http.ResponseWriter, sh *shop) {
	s.render(w, http.StatusConflict, "error", errorPage{
		Frame: frame{Title: "No payments", Shop: sh.Domain}, Heading: "This shop takes no payments at the moment",
		Text: "Its payments app is not installed, not ready or not activated.", Back: "/shops/" + sh.Domain, BackText: "Back to the shop",
	})
}
