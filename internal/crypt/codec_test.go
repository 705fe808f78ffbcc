package crypt_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"tillflow/internal/crypt"
)

const namespace = "payments"

func plain(text string) *commonpb.Payload {
	return &commonpb.Payload{
		Metadata: map[string][]byte{"encoding": []byte("json/plain"), "messageType": []byte("x")},
		Data:     []byte(text),
	}
}

func codec(t *testing.T, keys string) *crypt.Codec {
	t.Helper()
	return crypt.NewCodec(ring(t, keys), crypt.CodecOptions{Namespace: namespace})
}

func encode(t *testing.T, c converter.PayloadCodec, payloads ...*commonpb.Payload) []*commonpb.Payload {
	t.Helper()
	encoded, err := c.Encode(payloads)
	require.NoError(t, err)
	return encoded
}

func TestCodecRoundTrip(t *testing.T) {
	t.Parallel()
	c := codec(t, "k1:"+key("a"))

	t.Run("payloads come back whole, in order, and the given ones stay as they are", func(t *testing.T) {
		t.Parallel()
		given := []*commonpb.Payload{plain(`"one"`), plain(`"two"`), {}, {Metadata: map[string][]byte{"encoding": []byte("binary/null")}}}
		untouched := make([]*commonpb.Payload, len(given))
		for i, payload := range given {
			untouched[i] = proto.CloneOf(payload)
		}
		encoded := encode(t, c, given...)
		sealed := make([]*commonpb.Payload, len(encoded))
		for i, payload := range encoded {
			sealed[i] = proto.CloneOf(payload)
		}
		decoded, err := c.Decode(encoded)
		require.NoError(t, err)
		require.Len(t, decoded, len(given))
		for i := range given {
			require.True(t, proto.Equal(untouched[i], given[i]))
			require.True(t, proto.Equal(sealed[i], encoded[i]))
			require.True(t, proto.Equal(given[i], decoded[i]))
		}
	})
	t.Run("nothing of the text or its metadata is readable, and nothing repeats", func(t *testing.T) {
		t.Parallel()
		encoded := encode(t, c, plain(`"buyer"`), plain(`"buyer"`))
		for _, payload := range encoded {
			require.Equal(t, "binary/encrypted", string(payload.GetMetadata()["encoding"]))
			require.Equal(t, "k1", string(payload.GetMetadata()["encryption-key-id"]))
			require.Equal(t, namespace, string(payload.GetMetadata()["encryption-namespace"]))
			require.NotContains(t, payload.GetMetadata(), "messageType")
			require.False(t, bytes.Contains(payload.GetData(), []byte("buyer")))
		}
		require.NotEqual(t, encoded[0].GetData(), encoded[1].GetData())
	})
	t.Run("what was sealed twice opens twice", func(t *testing.T) {
		t.Parallel()
		once, err := c.Decode(encode(t, c, encode(t, c, plain(`"x"`))...))
		require.NoError(t, err)
		twice, err := c.Decode(once)
		require.NoError(t, err)
		require.True(t, proto.Equal(plain(`"x"`), twice[0]))
	})
	t.Run("a payload sealed by the first release opens", func(t *testing.T) {
		t.Parallel()
		data, err := hex.DecodeString(goldenPayload)
		require.NoError(t, err)
		decoded, err := c.Decode([]*commonpb.Payload{{
			Metadata: map[string][]byte{
				"encoding": []byte("binary/encrypted"), "encryption-key-id": []byte("k1"),
				"encryption-namespace": []byte(namespace), "encryption-workflow-id": []byte("charge/1"),
			},
			Data: data,
		}})
		require.NoError(t, err)
		require.Equal(t, `"golden"`, string(decoded[0].GetData()))
	})
}

func TestCodecRefuses(t *testing.T) {
	t.Parallel()
	c := codec(t, "k1:"+key("a"))

	t.Run("a plain payload, even among sealed ones", func(t *testing.T) {
		t.Parallel()
		for _, payload := range []*commonpb.Payload{plain(`"x"`), {}, nil} {
			_, err := c.Decode(append(encode(t, c, plain(`"y"`)), payload))
			require.ErrorIs(t, err, crypt.ErrPlain)
		}
	})
	t.Run("any altered byte of data or metadata", func(t *testing.T) {
		t.Parallel()
		bound := c.WithSerializationContext(converter.WorkflowSerializationContext{Namespace: namespace, WorkflowID: "charge/1"})
		sealed := encode(t, bound, plain(`"x"`))[0]
		for i := range sealed.GetData() {
			bad := proto.CloneOf(sealed)
			bad.Data[i] ^= 1
			_, err := c.Decode([]*commonpb.Payload{bad})
			require.ErrorIs(t, err, crypt.ErrOpen, "byte %d", i)
			bad.Data = sealed.GetData()[:i]
			_, err = c.Decode([]*commonpb.Payload{bad})
			require.ErrorIs(t, err, crypt.ErrOpen, "length %d", i)
		}
		relabelled := proto.CloneOf(sealed)
		relabelled.Metadata["encryption-workflow-id"] = []byte("charge/2")
		_, err := c.Decode([]*commonpb.Payload{relabelled})
		require.ErrorIs(t, err, crypt.ErrOpen)
	})
	t.Run("another namespace, whatever its label says", func(t *testing.T) {
		t.Parallel()
		staging := crypt.NewCodec(ring(t, "k1:"+key("a")), crypt.CodecOptions{Namespace: "staging"})
		sealed := encode(t, staging, plain(`"x"`))
		_, err := c.Decode(sealed)
		require.ErrorIs(t, err, crypt.ErrNamespace)
		sealed[0].Metadata["encryption-namespace"] = []byte(namespace)
		_, err = c.Decode(sealed)
		require.ErrorIs(t, err, crypt.ErrOpen)
	})
	t.Run("an unknown key, and a known id with another key", func(t *testing.T) {
		t.Parallel()
		sealed := encode(t, c, plain(`"x"`))
		_, err := codec(t, "k2:"+key("a")).Decode(sealed)
		require.ErrorIs(t, err, crypt.ErrUnknownKey)
		_, err = codec(t, "k1:"+key("b")).Decode(sealed)
		require.ErrorIs(t, err, crypt.ErrOpen)
	})
	t.Run("a field of the vault posing as a payload", func(t *testing.T) {
		t.Parallel()
		dataKey, err := crypt.NewVault(ring(t, "k1:"+key("a"))).NewDataKey("subject")
		require.NoError(t, err)
		sealed := encode(t, c, plain(`"x"`))
		sealed[0].Data = dataKey.Wrapped
		_, err = c.Decode(sealed)
		require.ErrorIs(t, err, crypt.ErrOpen)
	})
}

func TestCodecAllowPlain(t *testing.T) {
	t.Parallel()
	c := crypt.NewCodec(ring(t, "k1:"+key("a")), crypt.CodecOptions{Namespace: namespace, AllowPlain: true})

	t.Run("plain payloads pass when reading", func(t *testing.T) {
		t.Parallel()
		decoded, err := c.Decode([]*commonpb.Payload{plain(`"x"`), encode(t, c, plain(`"y"`))[0]})
		require.NoError(t, err)
		require.Equal(t, `"x"`, string(decoded[0].GetData()))
		require.Equal(t, `"y"`, string(decoded[1].GetData()))
	})
	t.Run("nothing plain is written", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, "binary/encrypted", string(encode(t, c, plain(`"x"`))[0].GetMetadata()["encoding"]))
	})
}

func TestCodecRotation(t *testing.T) {
	t.Parallel()
	old := encode(t, codec(t, "old:"+key("a")), plain(`"x"`))
	rotated := codec(t, "new:"+key("b")+",old:"+key("a"))

	decoded, err := rotated.Decode(old)
	require.NoError(t, err)
	require.Equal(t, `"x"`, string(decoded[0].GetData()))
	require.Equal(t, "new", string(encode(t, rotated, plain(`"x"`))[0].GetMetadata()["encryption-key-id"]))
}

// TestCodecInDataConverter goes the way the SDK goes: a data converter around
// the codec, with the context that each side happens to know.
func TestCodecInDataConverter(t *testing.T) {
	t.Parallel()
	bare := converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), codec(t, "k1:"+key("a")))
	within := func(context converter.SerializationContext) converter.DataConverter {
		return converter.WithDataConverterSerializationContext(bare, context)
	}
	contexts := map[string]struct {
		converter  converter.DataConverter
		workflowID string
	}{
		"no context":      {bare, ""},
		"a workflow":      {within(converter.WorkflowSerializationContext{Namespace: namespace, WorkflowID: "charge/1"}), "charge/1"},
		"another one":     {within(converter.WorkflowSerializationContext{Namespace: namespace, WorkflowID: "reversal/1"}), "reversal/1"},
		"an activity":     {within(converter.ActivitySerializationContext{Namespace: namespace, WorkflowID: "charge/1", ActivityType: "A"}), "charge/1"},
		"a Nexus request": {within(converter.NexusSerializationContext{Endpoint: "e"}), ""},
	}
	for writer, from := range contexts {
		for reader, to := range contexts {
			t.Run("written by "+writer+", read by "+reader, func(t *testing.T) {
				t.Parallel()
				payload, err := from.converter.ToPayload(map[string]int{"minor": 1230})
				require.NoError(t, err)
				require.Equal(t, from.workflowID, string(payload.GetMetadata()["encryption-workflow-id"]))
				var value map[string]int
				require.NoError(t, to.converter.FromPayload(payload, &value))
				require.Equal(t, map[string]int{"minor": 1230}, value)
				require.JSONEq(t, `{"minor":1230}`, to.converter.ToString(payload))
			})
		}
	}
}

func BenchmarkCodec(b *testing.B) {
	keys, err := crypt.ParseKeyring(crypt.Secret("k1:" + key("a")))
	require.NoError(b, err)
	c := crypt.NewCodec(keys, crypt.CodecOptions{Namespace: namespace})
	payloads := []*commonpb.Payload{plain(strings.Repeat("x", 300))}
	b.ReportAllocs()
	for b.Loop() {
		bound := c.WithSerializationContext(converter.WorkflowSerializationContext{Namespace: namespace, WorkflowID: "charge/1"})
		sealed, err := bound.Encode(payloads)
		require.NoError(b, err)
		_, err = bound.Decode(sealed)
		require.NoError(b, err)
	}
}

// goldenPayload is `"golden"` as JSON, sealed under key "k1" for the workflow
// "charge/1" when the format was made.
const goldenPayload = "fbb914b7ee4ea1ffa2cadcb51beca8490f1a5e42773b535cad0337356e1365fa2a7aa9fc2aba9d30050957051b1402eafa86af49065e337458c881505182d8e5ff9d90623c49c87eacbff6ca4b3fb67f074fb484d8808d8603e7b3c526b4b7e6"
