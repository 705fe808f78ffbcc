package shopify

import (
	"slices"
	"strconv"
	"strings"
)

// The caller of everything here holds mu.

// subscribe is webhookSubscriptionCreate.
func (s *Server) subscribe(call prepared, args map[string]any, refuse bool) map[string]any {
	topic, _ := args["topic"].(string) // enums and input objects, checked before
	input, _ := args["webhookSubscription"].(map[string]any)
	address, _ := input["uri"].(string)
	if address == "" {
		address, _ = input["callbackUrl"].(string)
	}
	name, _ := input["name"].(string)
	field := []string{"webhookSubscription", "uri"}
	switch {
	case refuse:
		return subscribeRefused(nil, "The subscription cannot be made (fault switch)")
	case address == "":
		return subscribeRefused(field, "Address can't be blank")
	case checkAddress("address", address) != nil:
		return subscribeRefused(field, "Address is invalid")
	case input["format"] == "XML":
		return subscribeRefused([]string{"webhookSubscription", "format"}, "Only JSON is served here")
	case call.inst.listens(topicOfEnum(topic), address):
		return subscribeRefused(field, "Address for this topic has already been taken")
	}
	sub := &Subscription{
		ID: subscriptionID(), App: call.app, Topic: topicOfEnum(topic), Address: address, Name: name, CreatedAt: s.opts.Now().UTC(),
	}
	call.inst.Subscriptions = append(call.inst.Subscriptions, sub)
	s.changed()
	return map[string]any{
		"__typename": "WebhookSubscriptionCreatePayload", "webhookSubscription": s.subscriptionValue(sub), "userErrors": []any{},
	}
}

func (inst *installation) listens(topic, address string) bool {
	return slices.ContainsFunc(inst.Subscriptions, func(sub *Subscription) bool {
		return sub.RemovedAt == nil && sub.Topic == topic && sub.Address == address
	})
}

func subscribeRefused(field []string, message string) map[string]any {
	return map[string]any{
		"__typename": "WebhookSubscriptionCreatePayload", "webhookSubscription": nil,
		"userErrors": []any{map[string]any{"__typename": "UserError", "field": listValue(field), "message": message}},
	}
}

// deleteSubscription is webhookSubscriptionDelete.
func (s *Server) deleteSubscription(call prepared, args map[string]any, refuse bool) map[string]any {
	id, _ := args["id"].(string) // ID!, checked before
	payload := map[string]any{
		"__typename": "WebhookSubscriptionDeletePayload", "deletedWebhookSubscriptionId": nil, "userErrors": []any{},
	}
	sub := call.inst.subscription(id)
	if sub == nil || refuse {
		payload["userErrors"] = []any{map[string]any{
			"__typename": "UserError", "field": []any{"id"}, "message": "Webhook subscription does not exist",
		}}
		return payload
	}
	call.shop.endSubscription(sub, s.opts.Now(), RemovedByApp)
	s.changed()
	payload["deletedWebhookSubscriptionId"] = id
	return payload
}

// subscriptionsPage lists what the app made by the API. Subscriptions of its configuration are not in the list.
func (s *Server) subscriptionsPage(call prepared, args map[string]any) (any, *apiError) {
	topics, isList := args["topics"].([]any)
	if one, ok := args["topics"].(string); ok && !isList { // GraphQL takes one value for a list of one
		topics = []any{one}
	}
	uri, _ := args["uri"].(string)
	sortKey, _ := args["sortKey"].(string)
	var rows []row
	for _, sub := range call.inst.Subscriptions {
		if sub.RemovedAt != nil || args["format"] == "XML" || uri != "" && uri != sub.Address ||
			len(topics) > 0 && !slices.Contains(topics, any(topicEnum(sub.Topic))) {
			continue
		}
		r := row{id: sub.number(), value: func() map[string]any { return s.subscriptionValue(sub) }}
		if sortKey != "ID" {
			r.key = sortableTime(sub.CreatedAt)
		}
		rows = append(rows, r)
	}
	return paginate("WebhookSubscription", rows, args)
}

// number is the number at the end of the gid.
func (sub *Subscription) number() int64 {
	number, err := strconv.ParseInt(sub.ID[strings.LastIndex(sub.ID, "/")+1:], 10, 64)
	if err != nil { // ids are made here
		return 0
	}
	return number
}

func (s *Server) subscriptionValue(sub *Subscription) map[string]any {
	return map[string]any{
		"__typename": "WebhookSubscription", "id": sub.ID, "legacyResourceId": sub.number(), "topic": topicEnum(sub.Topic),
		"uri": sub.Address, "callbackUrl": sub.Address, "format": "JSON", "name": textValue(sub.Name),
		"createdAt": restTime(sub.CreatedAt), "updatedAt": restTime(sub.CreatedAt),
		"apiVersion": s.versionValue(s.opts.APIVersion),
	}
}
