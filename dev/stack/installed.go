package stack

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// InstallApp takes a merchant without a browser's window from the Admin through
// an installation: handle is shopify.PaymentsApp or shopify.AdminApp.
func (s *Stack) InstallApp(ctx context.Context, shop, handle string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := &http.Client{Jar: jar, Timeout: 20 * time.Second}
	at, err := press(ctx, client, s.ShopURL+"/shops/"+shop+"/admin/apps/"+handle+"/open", nil)
	if err == nil && strings.HasSuffix(at.Path, "/admin/oauth/authorize") { // Shopify asks
		at, err = press(ctx, client, s.ShopURL+at.Path, at.Query())
	}
	if err != nil {
		return fmt.Errorf("install the %s app: %w", handle, err)
	}
	if !strings.HasSuffix(at.Path, "/callback") {
		return fmt.Errorf("install the %s app: it ended at %s", handle, at.Path)
	}
	return nil
}

// press sends a form, follows where it leads and answers where it ended.
func press(ctx context.Context, client *http.Client, address string, form url.Values) (*url.URL, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %d", resp.Request.URL.Path, resp.StatusCode)
	}
	return resp.Request.URL, nil
}

// WebhookSecret signs what the stand-in Shopify sends to the second app, for
// programs that send it themselves.
func (s *Stack) WebhookSecret() string { return s.secrets.AdminSecret }
