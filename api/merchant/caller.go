package merchant

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"tillflow/api"
	"tillflow/internal/access"
	"tillflow/internal/payment"
)

const callerKey = "caller"

// callerOf is the key that the request came under.
func callerOf(c echo.Context) access.APIKey {
	key, _ := c.Get(callerKey).(access.APIKey)
	return key
}

// actorOf names a key in the audit and among what people did: by its id.
func actorOf(key access.APIKey) string { return "key " + key.ID }

// authenticate finds the bearer key by its hash: the key itself is never stored,
// and a look-up by hash leaks no timing about it.
func (h *Handler) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		text, found := strings.CutPrefix(c.Request().Header.Get("Authorization"), "Bearer ")
		if !found || text == "" {
			return api.Refuse(http.StatusUnauthorized, "no_key", "Authorization", "send your API key as: Authorization: Bearer <key>")
		}
		ctx, cancel := context.WithTimeout(c.Request().Context(), answerWithin)
		defer cancel()
		c.SetRequest(c.Request().WithContext(ctx))
		sum := sha256.Sum256([]byte(text))
		key, err := h.Records.FindAPIKey(ctx, sum[:])
		if class := payment.ClassOf(err, payment.Unavailable); class == payment.Unauthorized || class == payment.NotFound {
			return api.Refuse(http.StatusUnauthorized, "unknown_key", "Authorization",
				"this API key is unknown, revoked or expired, or its shop is inactive; nothing was done")
		}
		if err != nil {
			return err
		}
		c.Set(callerKey, key)
		return next(c)
	}
}

// needs lets in callers whose key has the scope.
func (h *Handler) needs(scope access.Scope) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			key := callerOf(c)
			if key.May(scope) {
				return next(c)
			}
			h.Log.Warn().Str("shop", key.Shop).Str("key_id", key.ID).Str("scope", string(scope)).Str("route", c.Path()).
				Msg("api key lacks a scope")
			return api.Refuse(http.StatusForbidden, "missing_scope", "Authorization",
				"this API key lacks the scope "+string(scope)+"; nothing was done. Use a key that has it, or ask whoever runs tillflow for one")
		}
	}
}
