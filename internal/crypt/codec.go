package crypt

import (
	"errors"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
)

// Errors of the codec, to be tested with errors.Is.
var (
	// ErrPlain reports a payload that was not sealed by this codec.
	ErrPlain = errors.New("payload is not encrypted")
	// ErrNamespace reports a payload that was sealed for another namespace.
	ErrNamespace = errors.New("payload belongs to another namespace")
)

// Names in a sealed payload's metadata. They live in histories: never change one.
const (
	encodingEncrypted  = "binary/encrypted"
	metadataKeyID      = "encryption-key-id"
	metadataNamespace  = "encryption-namespace"
	metadataWorkflowID = "encryption-workflow-id"
)

// CodecOptions are the settings of a [Codec].
type CodecOptions struct {
	// Namespace is the Temporal namespace of this process. It is sealed into
	// every payload, and a payload of another namespace is refused, so that
	// environments which share a key do not share histories.
	Namespace string
	// AllowPlain lets payloads that are not encrypted pass when decoding, for
	// the development stack. It never writes plain payloads.
	AllowPlain bool
}

// Codec seals Temporal payloads with the ring's active key and opens those of any
// key on the ring. Each payload is tied to its namespace, its workflow id (when
// the SDK says which) and its key id; all three stand in its metadata, because a
// codec server knows nothing else of the payload.
//
// The workflow id of a payload is proven but not compared with the one that reads
// it: a child's failure is read under its parent's id and a schedule's input under
// the id of each run.
//
// A Codec does not change and is safe for concurrent use.
type Codec struct {
	ring       *Keyring
	namespace  string
	workflowID string
	allowPlain bool
}

var (
	_ converter.PayloadCodec                         = (*Codec)(nil)
	_ converter.PayloadCodecWithSerializationContext = (*Codec)(nil)
)

// NewCodec returns the codec without a workflow; the SDK adds that by
// WithSerializationContext wherever it knows it.
func NewCodec(ring *Keyring, options CodecOptions) *Codec {
	return &Codec{ring: ring, namespace: options.Namespace, allowPlain: options.AllowPlain}
}

// WithSerializationContext implements converter.PayloadCodecWithSerializationContext.
// It copies four words; keys are derived per payload.
func (c *Codec) WithSerializationContext(context converter.SerializationContext) converter.PayloadCodec {
	bound := *c
	switch known := context.(type) {
	case converter.WorkflowSerializationContext:
		bound.workflowID = known.WorkflowID
	case converter.ActivitySerializationContext:
		bound.workflowID = known.WorkflowID
	default: // Nexus and whatever comes: the payload's workflow is not known
		bound.workflowID = ""
	}
	return &bound
}

// Encode implements converter.PayloadCodec: it seals every payload whole, the
// metadata of the inner one included.
func (c *Codec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	sealed := make([]*commonpb.Payload, len(payloads))
	for i, payload := range payloads {
		var err error
		if sealed[i], err = c.encrypt(payload); err != nil {
			return nil, fmt.Errorf("encrypt payload: %w", err)
		}
	}
	return sealed, nil
}

// Decode implements converter.PayloadCodec. Its errors are ErrPlain, ErrNamespace,
// ErrUnknownKey and ErrOpen; one bad payload fails the call.
func (c *Codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	opened := make([]*commonpb.Payload, len(payloads))
	for i, payload := range payloads {
		var err error
		if opened[i], err = c.decrypt(payload); err != nil {
			return nil, fmt.Errorf("decrypt payload: %w", err)
		}
	}
	return opened, nil
}

func (c *Codec) encrypt(payload *commonpb.Payload) (*commonpb.Payload, error) {
	plaintext, err := payload.Marshal()
	if err != nil {
		return nil, fmt.Errorf("marshal: %w", err)
	}
	id := c.ring.Active()
	key, err := c.ring.key(id)
	if err != nil {
		return nil, err
	}
	sealed, err := seal(key, purposePayload, bind(id, c.namespace, c.workflowID), plaintext)
	if err != nil {
		return nil, err
	}
	return &commonpb.Payload{
		Metadata: map[string][]byte{
			converter.MetadataEncoding: []byte(encodingEncrypted),
			metadataKeyID:              []byte(id),
			metadataNamespace:          []byte(c.namespace),
			metadataWorkflowID:         []byte(c.workflowID),
		},
		Data: sealed,
	}, nil
}

func (c *Codec) decrypt(payload *commonpb.Payload) (*commonpb.Payload, error) {
	metadata := payload.GetMetadata()
	if string(metadata[converter.MetadataEncoding]) != encodingEncrypted {
		if c.allowPlain {
			return payload, nil
		}
		return nil, ErrPlain
	}
	id, namespace := string(metadata[metadataKeyID]), string(metadata[metadataNamespace])
	if namespace != c.namespace {
		return nil, ErrNamespace
	}
	key, err := c.ring.key(id)
	if err != nil {
		return nil, err
	}
	bound := bind(id, namespace, string(metadata[metadataWorkflowID]))
	plaintext, err := open(key, purposePayload, bound, payload.GetData())
	if err != nil {
		return nil, err
	}
	opened := &commonpb.Payload{}
	if err := opened.Unmarshal(plaintext); err != nil {
		return nil, fmt.Errorf("unmarshal: %w", err)
	}
	return opened, nil
}
