package console_test

import (
	"net/http"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/access"
)

var linkShown = regexp.MustCompile(`http://127\.0\.0\.1:7411/console/join/[A-Za-z0-9_-]{43}`)

// userID finds somebody's id.
func (h *house) userID(name string) string {
	h.t.Helper()
	list, err := h.Users(h.t.Context())
	require.NoError(h.t, err)
	for _, u := range list {
		if u.Name == name {
			return u.ID
		}
	}
	require.Fail(h.t, "nobody is called "+name)
	return ""
}

func TestPeople(t *testing.T) {
	t.Parallel()
	t.Run("an administrator invites somebody, whose link is shown once", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		shown := h.post(access.Admin, "/console/people", "name", " Clara@Acme.example ", "role", "finance").shows(http.StatusOK, "Invitation", "clara@acme.example")
		link := linkShown.FindString(shown.html)
		require.NotEmpty(t, link)
		list := h.get(access.Admin, "/console/people").shows(http.StatusOK, "clara@acme.example", "invited", "finance")
		require.NotContains(t, list.html, link)
		id := h.userID("clara@acme.example")
		require.NotContains(t, list.html, "/console/people/clara", "addresses name nobody")
		h.get(access.Admin, "/console/people/"+id).shows(http.StatusOK, "clara@acme.example", "The invitation ends").lacks(link)
		require.Contains(t, h.trail(), "admin user.invite user "+id)
		require.Contains(t, h.trail(), "admin user.add user "+id)
		again := h.post(access.Admin, "/console/people/"+id+"/invite").shows(http.StatusOK, "Invitation")
		require.NotEqual(t, link, linkShown.FindString(again.html))
	})
	t.Run("what is missing or taken is said beside the form", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.post(access.Admin, "/console/people", "name", "", "role", "viewer").shows(http.StatusUnprocessableEntity, "A name has 1 to 100")
		h.post(access.Admin, "/console/people", "name", "clara", "role", "root").shows(http.StatusUnprocessableEntity, "A role is viewer")
		h.post(access.Admin, "/console/people", "name", "Finance", "role", "viewer").shows(http.StatusConflict, "Another user has this name")
	})
	t.Run("an administrator changes a role, keeps somebody out and lets them in", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.post(access.Admin, "/console/people", "name", "clara", "role", "viewer")
		at := "/console/people/" + h.userID("clara")
		require.Equal(t, at, h.post(access.Admin, at+"/role", "role", "operator").leads())
		h.get(access.Admin, at).shows(http.StatusOK, "operator")
		h.post(access.Admin, at+"/role", "role", "operator").shows(http.StatusConflict, "has this role already")
		require.Equal(t, at, h.post(access.Admin, at+"/admit", "in", "no").leads())
		h.get(access.Admin, at).shows(http.StatusOK, "kept out")
		h.post(access.Admin, at+"/invite").shows(http.StatusConflict, "may not come in")
		h.post(access.Admin, at+"/admit").shows(http.StatusUnprocessableEntity)
		require.Equal(t, at, h.post(access.Admin, at+"/admit", "in", "yes").leads())
		h.get(access.Admin, at).shows(http.StatusOK, "not joined")
	})
	t.Run("nobody takes their own role or access away", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		at := "/console/people/" + h.userID("admin")
		h.post(access.Admin, at+"/role", "role", "viewer").shows(http.StatusConflict, "ask another administrator")
		h.post(access.Admin, at+"/admit", "in", "no").shows(http.StatusConflict, "ask another administrator")
	})
	t.Run("sessions end for who is kept out, and everywhere for who asks", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.post(access.Admin, "/console/people/"+h.userID("operator")+"/admit", "in", "no")
		h.get(access.Operator, "/console/me").leads()
		h.get(access.Viewer, "/console/me").shows(http.StatusOK, "viewer", "Where you are signed in", "development")
		require.Equal(t, "/console/login?out=1", h.post(access.Viewer, "/console/me/out").leads())
		h.get(access.Viewer, "/console/me").leads()
		h.post(access.Admin, "/console/people/"+h.userID("finance")+"/out").leads()
		h.get(access.Finance, "/console/me").leads()
		require.Contains(t, h.trail(), "admin user.sign_out user "+h.userID("finance"))
	})
	t.Run("others may not, and that is noted", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		id := h.userID("viewer")
		for _, role := range []access.Role{access.Viewer, access.Operator, access.Finance} {
			h.get(role, "/console/people").shows(http.StatusForbidden)
			h.post(role, "/console/people", "name", "mallory", "role", "admin").shows(http.StatusForbidden)
			h.post(role, "/console/people/"+id+"/role", "role", "admin").shows(http.StatusForbidden)
			require.Contains(t, h.trail(), string(role)+" access.denied permission manage_users")
		}
		h.form(access.Admin, "/console/people", "name", "mallory", "role", "admin").shows(http.StatusForbidden)
		h.get(access.Admin, "/console/people").lacks("mallory")
	})
	t.Run("an unknown person is not found", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.get(access.Admin, "/console/people/nobody").shows(http.StatusNotFound)
		h.post(access.Admin, "/console/people/nobody/out").shows(http.StatusNotFound)
		h.post(access.Admin, "/console/people/01a1fdeb-592b-7e7e-8308-e0ecf67183ce/role", "role", "viewer").shows(http.StatusNotFound)
	})
}
