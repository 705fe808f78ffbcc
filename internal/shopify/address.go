package shopify

// Address is where path is at a shop, under a base URL as in [Options.BaseURL]. It is an error unless shop is a shop's domain.
func Address(base, shop, path string) (string, error) {
	parsed, err := parseBaseURL(base)
	if err != nil {
		return "", err
	}
	return parsed.at(shop, path)
}
