package app

import "strings"

// Topic names what a webhook is about, as its header does: "orders/paid". An open set: a topic that is not listed here is kept and
// answered with success, because anything else would count as a failed delivery.
type Topic string

// The topics we subscribe to.
const (
	AppUninstalled  Topic = "app/uninstalled"
	AppScopesUpdate Topic = "app/scopes_update"

	CustomersDataRequest Topic = "customers/data_request"
	CustomersRedact      Topic = "customers/redact"
	ShopRedact           Topic = "shop/redact"

	OrdersCreate             Topic = "orders/create"
	OrdersPaid               Topic = "orders/paid"
	OrdersUpdated            Topic = "orders/updated"
	OrdersCancelled          Topic = "orders/cancelled"
	OrdersEdited             Topic = "orders/edited"
	OrderTransactionsCreate  Topic = "order_transactions/create"
	TenderTransactionsCreate Topic = "tender_transactions/create"
	PaymentSchedulesDue      Topic = "payment_schedules/due"
	RefundsCreate            Topic = "refunds/create"
	DisputesCreate           Topic = "disputes/create"
	DisputesUpdate           Topic = "disputes/update"

	BillingAttemptsSuccess        Topic = "subscription_billing_attempts/success"
	BillingAttemptsFailure        Topic = "subscription_billing_attempts/failure"
	BillingAttemptsChallenged     Topic = "subscription_billing_attempts/challenged"
	SubscriptionContractsCreate   Topic = "subscription_contracts/create"
	SubscriptionContractsUpdate   Topic = "subscription_contracts/update"
	SubscriptionContractsActivate Topic = "subscription_contracts/activate"
	SubscriptionContractsPause    Topic = "subscription_contracts/pause"
	SubscriptionContractsCancel   Topic = "subscription_contracts/cancel"
	SubscriptionContractsExpire   Topic = "subscription_contracts/expire"
	SubscriptionContractsFail     Topic = "subscription_contracts/fail"
	CustomerPaymentMethodsCreate  Topic = "customer_payment_methods/create"
	CustomerPaymentMethodsUpdate  Topic = "customer_payment_methods/update"
	CustomerPaymentMethodsRevoke  Topic = "customer_payment_methods/revoke"

	BulkOperationsFinish     Topic = "bulk_operations/finish"
	FulfillmentHoldsAdded    Topic = "fulfillment_holds/added"
	FulfillmentHoldsReleased Topic = "fulfillment_holds/released"
)

// Matter groups topics by who acts on them.
type Matter string

// The matters.
const (
	AboutInstallation Matter = "installation"
	AboutPrivacy      Matter = "privacy"
	AboutOrder        Matter = "order" // the order, its transactions and refunds
	AboutDispute      Matter = "dispute"
	AboutSubscription Matter = "subscription"
	AboutBulk         Matter = "bulk"
	AboutFulfillment  Matter = "fulfillment"
	AboutUnknown      Matter = "unknown"
)

// Matter says who acts on the topic.
func (t Topic) Matter() Matter {
	switch t {
	case AppUninstalled, AppScopesUpdate:
		return AboutInstallation
	case CustomersDataRequest, CustomersRedact, ShopRedact:
		return AboutPrivacy
	case OrdersCreate, OrdersPaid, OrdersUpdated, OrdersCancelled, OrdersEdited, OrderTransactionsCreate,
		TenderTransactionsCreate, PaymentSchedulesDue, RefundsCreate:
		return AboutOrder
	case DisputesCreate, DisputesUpdate:
		return AboutDispute
	case BillingAttemptsSuccess, BillingAttemptsFailure, BillingAttemptsChallenged, SubscriptionContractsCreate,
		SubscriptionContractsUpdate, SubscriptionContractsActivate, SubscriptionContractsPause, SubscriptionContractsCancel,
		SubscriptionContractsExpire, SubscriptionContractsFail, CustomerPaymentMethodsCreate, CustomerPaymentMethodsUpdate,
		CustomerPaymentMethodsRevoke:
		return AboutSubscription
	case BulkOperationsFinish:
		return AboutBulk
	case FulfillmentHoldsAdded, FulfillmentHoldsReleased:
		return AboutFulfillment
	}
	return AboutUnknown
}

// Enum is the topic's value in the Admin API: "ORDERS_PAID". The privacy topics have none; they stand in the app's configuration.
func (t Topic) Enum() string {
	if t.Matter() == AboutPrivacy {
		return ""
	}
	return strings.ToUpper(strings.ReplaceAll(string(t), "/", "_"))
}

// Topics are those that an app subscribes to; deploy/ declares the same in the app's configuration. Every app hears of its own end
// and of what the law asks for.
func Topics(of Name) []Topic {
	list := []Topic{AppUninstalled, AppScopesUpdate, CustomersDataRequest, CustomersRedact, ShopRedact}
	if of != Admin {
		return list
	}
	return append(
		list,
		OrdersCreate, OrdersPaid, OrdersUpdated, OrdersCancelled, OrdersEdited, OrderTransactionsCreate, TenderTransactionsCreate,
		PaymentSchedulesDue, RefundsCreate, DisputesCreate, DisputesUpdate,
		BillingAttemptsSuccess, BillingAttemptsFailure, BillingAttemptsChallenged, SubscriptionContractsCreate,
		SubscriptionContractsUpdate, SubscriptionContractsActivate, SubscriptionContractsPause, SubscriptionContractsCancel,
		SubscriptionContractsExpire, SubscriptionContractsFail, CustomerPaymentMethodsCreate, CustomerPaymentMethodsUpdate,
		CustomerPaymentMethodsRevoke, BulkOperationsFinish, FulfillmentHoldsAdded, FulfillmentHoldsReleased,
	)
}
