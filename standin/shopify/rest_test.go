package shopify

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNumbersAreStableAndFitEveryReader(t *testing.T) {
	t.Parallel()
	require.Equal(t, int64(0x3dc4c8601ec8c), numericID("a"), "the same in every run: FNV-1a, its low 52 bits")
	require.NotEqual(t, numericID("a"), numericID("b"))
	for _, text := range []string{"", "a", acme, borealis} {
		n := numericID(text)
		require.Positive(t, n)
		require.Less(t, n, int64(1)<<53, "a JSON number stays exact")
	}
}

func TestACustomerIsKnownByHisAddress(t *testing.T) {
	t.Parallel()
	one, other := newShop(acme), newShop(borealis)
	ada := &Customer{Email: "Ada@example.com", PhoneNumber: "1"}
	require.Equal(t, customerID(one, ada), customerID(one, &Customer{Email: "ada@EXAMPLE.com"}))
	require.NotEqual(t, customerID(one, ada), customerID(other, ada), "shops do not share customers")
	require.NotZero(t, customerID(one, &Customer{PhoneNumber: "1"}))
	require.Zero(t, customerID(one, &Customer{}))
	require.Zero(t, customerID(one, nil))
	require.Nil(t, restCustomer(one, nil))
	require.Nil(t, customerValue(one, &Customer{}))
	require.Nil(t, restAddress(nil))
}

func TestRejectCodesThatTransactionsDoNotKnow(t *testing.T) {
	t.Parallel()
	require.Nil(t, errorCode(""))
	require.Equal(t, "INSUFFICIENT_FUNDS", errorCode("INSUFFICIENT_FUNDS"))
	schema, err := newDocuments(adminSchema)
	require.NoError(t, err)
	known := schema.schema.Types["OrderTransactionErrorCode"].EnumValues
	payments, err := newDocuments(paymentsSchema, movesSchema)
	require.NoError(t, err)
	for _, enum := range []string{"PaymentSessionStateRejectedReason", "RefundSessionStateRejectedReason", "CaptureSessionStateRejectedReason", "VoidSessionStateRejectedReason"} {
		def := payments.schema.Types[enum]
		require.NotNil(t, def, enum)
		for _, value := range def.EnumValues {
			code, _ := errorCode(value.Name).(string)
			require.NotNil(t, known.ForName(code), "%s becomes %s, which the schema does not have", value.Name, code)
		}
	}
}

func TestEveryTopicOfTheSchemaIsATopicHere(t *testing.T) {
	t.Parallel()
	docs, err := newDocuments(adminSchema)
	require.NoError(t, err)
	values := docs.schema.Types["WebhookSubscriptionTopic"].EnumValues
	require.Len(t, values, len(subscribable()))
	for _, value := range values {
		topic := topicOfEnum(value.Name)
		require.NotEmpty(t, topic, value.Name)
		require.Equal(t, value.Name, topicEnum(topic))
		require.True(t, knownTopic(topic))
	}
	for _, topic := range complianceTopics() {
		require.True(t, knownTopic(topic))
		require.Nil(t, values.ForName(topicEnum(topic)), "not by the API")
	}
	require.Empty(t, topicOfEnum("ORDERS_EATEN"))
}

func TestOrdersOfOlderSnapshotsHaveTheirCheckoutsTimes(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	c := &checkout{CreatedAt: at}
	require.Equal(t, at, c.orderedAt())
	require.Equal(t, at, c.updatedAt())
	ordered := at.Add(time.Hour)
	c.OrderedAt = &ordered
	require.Equal(t, ordered, c.updatedAt())
}

func TestTheWaitsOfAWebhookAreFourHoursInAll(t *testing.T) {
	t.Parallel()
	var sum time.Duration
	for i, wait := range webhookWaits() {
		sum += wait
		if i > 0 {
			require.Greater(t, wait, webhookWaits()[i-1])
		}
	}
	require.Len(t, webhookWaits(), 8)
	require.Equal(t, 4*time.Hour, sum)
}
