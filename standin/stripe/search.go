package stripe

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// term is one condition of a search query: field:'value' or metadata['key']:'value'.
type term struct{ field, key, value string }

// searchIntents answers GET /v1/payment_intents/search. The index lags: what is younger than Options.SearchLag is not
// found, which is why its silence proves nothing.
func searchIntents(c *call) (object, *apiError) {
	terms, err := parseQuery(c.form.text("query"))
	if err != nil {
		return nil, invalid("", "query", "We were unable to parse your search query: "+err.Error())
	}
	limit, refusal := c.limit()
	if refusal != nil {
		return nil, refusal
	}
	skip := 0
	if token := c.form.text("page"); token != "" {
		if skip, err = strconv.Atoi(strings.TrimPrefix(token, "page_")); err != nil || skip < 1 {
			return nil, invalid("", "page", "Invalid page: "+token)
		}
	}
	data, next := []object{}, any(nil)
	rows, _ := c.acct.candidates(terms)
	seen := 0
	for pi := range rows {
		if c.now.Sub(time.Unix(pi.Created, 0)) < c.s.opts.SearchLag || !pi.matches(terms) {
			continue
		}
		if seen++; seen <= skip {
			continue
		}
		if len(data) == limit {
			next = "page_" + strconv.Itoa(skip+limit)
			break
		}
		data = append(data, c.acct.intentObject(pi, c.expand))
	}
	return object{
		"object": "search_result", "url": "/v1/payment_intents/search", "has_more": next != nil, "next_page": next, "data": data,
	}, nil
}

// candidates uses the index of metadata when the query names some.
func (a *account) candidates(terms []term) (rows func(func(*intent) bool), ok bool) {
	for _, t := range terms {
		if t.field == "metadata" {
			return a.intents.pick(a.byMetadata[t.key+"\x00"+t.value], "")
		}
	}
	return a.intents.newestFirst("")
}

func (pi *intent) matches(terms []term) bool {
	for _, t := range terms {
		var got string
		switch t.field {
		case "metadata":
			got = pi.Metadata[t.key]
		case "status":
			got = string(pi.Status)
		case "currency":
			got = pi.Currency
		case "amount":
			got = strconv.FormatInt(pi.Amount, 10)
		default:
			panic("stripe stand-in: unknown search field " + t.field)
		}
		if got != t.value {
			return false
		}
	}
	return true
}

// parseQuery reads terms joined by AND. Values are quoted with ' or ", a quote inside is escaped with a backslash.
func parseQuery(query string) ([]term, error) {
	var terms []term
	for rest := strings.TrimSpace(query); ; {
		t, tail, err := parseTerm(rest)
		if err != nil {
			return nil, err
		}
		terms = append(terms, t)
		if tail = strings.TrimSpace(tail); tail == "" {
			return terms, nil
		}
		next, ok := strings.CutPrefix(tail, "AND ")
		if !ok {
			return nil, fmt.Errorf("expected AND before %q", tail)
		}
		rest = strings.TrimSpace(next)
	}
}

func parseTerm(s string) (t term, rest string, err error) {
	end := strings.IndexAny(s, "[:")
	if end < 0 {
		return t, "", fmt.Errorf("expected field:value in %q", s)
	}
	t.field, rest = s[:end], s[end:]
	switch t.field {
	case "status", "currency", "amount":
	case "metadata":
		if rest, ok := strings.CutPrefix(rest, "["); !ok {
			return t, "", fmt.Errorf("expected metadata['key']")
		} else if t.key, s, err = unquote(rest); err != nil {
			return t, "", err
		}
		if rest = strings.TrimPrefix(s, "]"); rest == s {
			return t, "", fmt.Errorf("expected ] after the metadata key")
		}
	default:
		return t, "", fmt.Errorf("field %q is not supported", t.field)
	}
	value, ok := strings.CutPrefix(rest, ":")
	if !ok {
		return t, "", fmt.Errorf("expected : in %q", s)
	}
	if t.field == "amount" && !strings.HasPrefix(value, "'") && !strings.HasPrefix(value, `"`) {
		t.value, rest, _ = strings.Cut(value, " ")
		return t, rest, nil
	}
	t.value, rest, err = unquote(value)
	return t, rest, err
}

// unquote takes a quoted string from the front.
func unquote(s string) (value, rest string, err error) {
	if s == "" || (s[0] != '\'' && s[0] != '"') {
		return "", "", fmt.Errorf("expected a quoted string at %q", s)
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == s[0]:
			return b.String(), s[i+1:], nil
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", fmt.Errorf("quote is not closed in %q", s)
}
