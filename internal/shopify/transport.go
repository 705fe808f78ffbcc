package shopify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/Khan/genqlient/graphql"

	"tillflow/internal/payment"
)

// maxAnswer bounds an answer; ours are below 4 KiB.
const maxAnswer = 1 << 20

const userAgent = "tillflow"

// call is one operation at one shop. It is the transport of the generated code.
type call struct {
	client *Client
	shop   string
	// requestID is Shopify's id of the last answer.
	requestID string
	// pause is how long the bucket needs before it holds the points of the last operation again.
	pause time.Duration
}

var _ graphql.Client = (*call)(nil)

// MakeRequest implements [graphql.Client]: it sends the operation and, if Shopify refuses the access token, sends it once more
// with a renewed one.
func (k *call) MakeRequest(ctx context.Context, req *graphql.Request, resp *graphql.Response) error {
	body, err := json.Marshal(req)
	if err != nil {
		return &payment.Error{Class: payment.Bug, Code: "encode", Message: "request cannot be encoded", Err: err}
	}
	token, err := k.client.tokens.Token(ctx, k.shop)
	if err != nil {
		return tokenError("read", err)
	}
	err = k.send(ctx, token, req.OpName, body, resp)
	if payment.ClassOf(err, payment.Unavailable) != payment.Unauthorized || isShopBlocked(err) {
		return err
	}
	token, err = k.client.tokens.Refresh(ctx, k.shop, token)
	if err != nil {
		return tokenError("refresh", err)
	}
	return k.send(ctx, token, req.OpName, body, resp)
}

// tokenError keeps the meaning of a token source's error, with one exception: a token that is not there is no statement about the
// session, so NotFound becomes Unauthorized and a person connects the shop again.
func tokenError(action string, err error) error {
	class := payment.ClassOf(err, payment.Unavailable)
	if class == payment.NotFound {
		return &payment.Error{Class: payment.Unauthorized, Code: CodeNoToken, Message: "no access token for the shop", Err: err}
	}
	if _, ok := errors.AsType[*payment.Error](err); ok {
		return fmt.Errorf("%s access token: %w", action, err)
	}
	return &payment.Error{Class: class, Code: "token_source", Message: action + " access token failed", Err: err}
}

func (k *call) send(ctx context.Context, token, operation string, body []byte, out *graphql.Response) error {
	address, err := k.client.base.at(k.shop, k.client.path)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	// A bytes.Reader has a known length: Shopify refused bodies without Content-Length.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return &payment.Error{Class: payment.Bug, Code: "request", Message: "request cannot be built", Err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("X-Shopify-Access-Token", token)

	started := k.client.now()
	resp, err := k.client.http.Do(req)
	if err != nil {
		return transportError(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	k.requestID = printable(resp.Header.Get("X-Request-Id"))
	k.client.log.Info().Str("shop", k.shop).Str("operation", operation).Int("status", resp.StatusCode).
		Str("request_id", k.requestID).Dur("took_ms", k.client.now().Sub(started)).Msg("shopify answered")
	k.notice(operation, resp.Header)
	if resp.StatusCode != http.StatusOK {
		return k.withRequestID(statusError(resp.StatusCode, resp.Header, k.client.now()))
	}
	if err != nil {
		return transportError(err)
	}
	cost, problem := decodeAnswer(answer, out)
	if problem != nil {
		return k.withRequestID(problem)
	}
	k.pause = cost.shortfall()
	return nil
}

// withRequestID adds Shopify's request id, which their support asks for.
func (k *call) withRequestID(err *payment.Error) error {
	if k.requestID != "" {
		err.Message += ", request id " + k.requestID
	}
	return err
}

func (k *call) notice(operation string, header http.Header) {
	n := Notice{Shop: k.shop, Operation: operation}
	if version := printable(header.Get("X-Shopify-API-Version")); version != "" && version != APIVersion {
		n.Kind, n.Detail = NoticeVersion, version
		k.client.onNotice(n)
		k.client.warn.Warn().Str("shop", k.shop).Str("operation", operation).
			Str("version", version).Str("pinned", APIVersion).Msg("shopify answered with another api version")
	}
	if reason := printable(header.Get("X-Shopify-API-Deprecated-Reason")); reason != "" {
		n.Kind, n.Detail = NoticeDeprecated, reason
		k.client.onNotice(n)
		k.client.warn.Warn().Str("shop", k.shop).Str("operation", operation).
			Str("reason", reason).Msg("shopify calls our request deprecated")
	}
}

// decodeAnswer reads a GraphQL answer with status 200. Members of errors stand for the whole call: a mutation whose answer is
// incomplete is repeated rather than half believed.
func decodeAnswer(body []byte, out *graphql.Response) (*queryCost, *payment.Error) {
	if len(body) > maxAnswer {
		return nil, &payment.Error{Class: payment.Unavailable, Code: "answer_too_large", Message: "shopify's answer is too large"}
	}
	var answer struct {
		Data       json.RawMessage `json:"data"`
		Errors     []graphError    `json:"errors"`
		Extensions struct {
			Cost *queryCost `json:"cost"`
		} `json:"extensions"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, &payment.Error{Class: payment.Unavailable, Code: "unreadable_answer", Message: "shopify's answer is not the JSON expected"}
	}
	if len(answer.Errors) > 0 {
		return nil, graphErrors(answer.Errors, answer.Extensions.Cost)
	}
	if len(answer.Data) == 0 || string(answer.Data) == "null" {
		return nil, emptyAnswer()
	}
	if err := json.Unmarshal(answer.Data, out.Data); err != nil {
		return nil, &payment.Error{Class: payment.Unavailable, Code: "unreadable_answer", Message: "shopify's answer has another shape than its schema"}
	}
	return answer.Extensions.Cost, nil
}

// printable makes a foreign header fit for logs and errors.
func printable(text string) string {
	return clip(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text))
}

// clip bounds foreign text.
func clip(text string) string {
	const most = 300
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
