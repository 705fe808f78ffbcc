package activitytest

import (
	"context"
	"sync"
	"time"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// Names of a provider's calls, for scripts and counts.
const (
	CallOpen    = "open"
	CallClose   = "close"
	CallInquire = "inquire"
	CallRefund  = "refund"
	CallVoid    = "void"
	CallCapture = "capture"
)

// Answer scripts one call. The zero value is the provider's ordinary answer.
type Answer struct {
	Err error
	// Done: the provider did it, and then Err is all that arrived.
	Done bool
	// Out replaces the answer, without anything done.
	Out *psp.Outcome
	// First runs before anything else, outside any lock: what happens meanwhile.
	First func()
}

// Provider is a connector with books of its own. It opens one object per
// idempotency key, and its buyers act through Pay, Set and Forget.
type Provider struct {
	name     string
	contract psp.Contract

	mu      sync.Mutex
	scripts map[string][]Answer
	down    error
	slow    bool
	calls   map[string]int
	keys    map[string][]string // call → keys in order
	objects map[string]*psp.Outcome
	byKey   map[string]string // key → attempt
	onOpen  []func(attemptID string)
	lastRef psp.Ref
}

// NewProvider gives a provider that keeps the contract.
func NewProvider(name string, contract psp.Contract) *Provider {
	return &Provider{
		name: name, contract: contract, scripts: map[string][]Answer{}, calls: map[string]int{}, keys: map[string][]string{},
		objects: map[string]*psp.Outcome{}, byKey: map[string]string{},
	}
}

// Authoritative is a contract of a provider that keeps keys for a day and whose
// look-ups may be believed after lag.
func Authoritative(lag time.Duration) psp.Contract {
	c := Advisory()
	c.LookupLag = lag
	c.Absence = map[payment.Operation]psp.Absence{
		payment.OpCharge: psp.Authoritative, payment.OpRefund: psp.Authoritative, payment.OpVoid: psp.Authoritative,
		payment.OpCapture: psp.Authoritative,
	}
	return c
}

// Advisory is a contract of a provider that keeps keys for a day and whose
// look-ups prove nothing by finding nothing.
func Advisory() psp.Contract {
	return psp.Contract{
		KeyRetention: 24 * time.Hour, KeyMax: 100, CheckoutMin: 30 * time.Minute, CheckoutMax: 24 * time.Hour,
		LateSuccess: 72 * time.Hour, HoldLimit: 7 * 24 * time.Hour, CallTimeout: 5 * time.Second, InFlight: 4,
	}
}

// Name implements psp.Connector.
func (p *Provider) Name() string { return p.name }

// Contract implements psp.Connector.
func (p *Provider) Contract() psp.Contract { return p.contract }

// Script queues answers for the next calls of a kind.
func (p *Provider) Script(call string, answers ...Answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scripts[call] = append(p.scripts[call], answers...)
}

// Down makes every call without a script fail with err, until nil.
func (p *Provider) Down(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = err
}

// Slow makes captures, voids and refunds stay processing until Set says more.
func (p *Provider) Slow(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slow = on
}

// OnOpen runs act each time a checkout has been opened, before the reply leaves.
func (p *Provider) OnOpen(act func(attemptID string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onOpen = append(p.onOpen, act)
}

// Set is what happens at the provider to an object that exists.
func (p *Provider) Set(attemptID string, s psp.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.objects[attemptID].Status = s
	if s == psp.Succeeded || s == psp.Authorized {
		p.objects[attemptID].PaymentRef = "money-" + attemptID
	}
}

// Forget removes an object, as if the provider had never heard of it.
func (p *Provider) Forget(attemptID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.objects, attemptID)
}

// Calls counts calls of a kind, all for "".
func (p *Provider) Calls(call string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if call != "" {
		return p.calls[call]
	}
	all := 0
	for _, n := range p.calls {
		all += n
	}
	return all
}

// Keys lists the idempotency keys of the calls of a kind, in order.
func (p *Provider) Keys(call string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.keys[call]...)
}

// Holding counts the objects in a status, by the provider's own books.
func (p *Provider) Holding(s psp.Status) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, o := range p.objects {
		if o.Status == s {
			n++
		}
	}
	return n
}

// LastRef is the reference of the newest look-up or close.
func (p *Provider) LastRef() psp.Ref {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lastRef
}

// call plays one call: the script, else the fault, else act.
func (p *Provider) call(ctx context.Context, name, key string, act func() (psp.Outcome, error)) (psp.Outcome, error) {
	p.mu.Lock()
	p.calls[name]++
	p.keys[name] = append(p.keys[name], key)
	answer := Answer{Err: p.down}
	if script := p.scripts[name]; len(script) > 0 {
		answer, p.scripts[name] = script[0], script[1:]
	}
	p.mu.Unlock()
	if answer.First != nil {
		answer.First()
	}
	if err := ctx.Err(); err != nil {
		return psp.Outcome{}, err
	}
	if answer.Out != nil {
		return *answer.Out, nil
	}
	if answer.Err != nil && !answer.Done {
		return psp.Outcome{}, answer.Err
	}
	p.mu.Lock()
	out, err := act()
	hooks := p.onOpen
	p.mu.Unlock()
	if name == CallOpen && err == nil {
		for _, hook := range hooks {
			hook(p.attemptOf(key))
		}
	}
	if answer.Err != nil {
		return psp.Outcome{}, answer.Err
	}
	return out, err
}

func (p *Provider) attemptOf(key string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byKey[key]
}

func (p *Provider) look(attemptID string) (psp.Outcome, error) {
	if o, ok := p.objects[attemptID]; ok {
		return *o, nil
	}
	return psp.Outcome{}, payment.Errorf(payment.NotFound, "no such object")
}

// Inquire implements psp.Connector.
func (p *Provider) Inquire(ctx context.Context, _ psp.Account, ref psp.Ref) (psp.Outcome, error) {
	p.saw(ref)
	return p.call(ctx, CallInquire, ref.Key, func() (psp.Outcome, error) { return p.look(ref.AttemptID) })
}

// OpenCheckout implements psp.Redirector.
func (p *Provider) OpenCheckout(ctx context.Context, _ psp.Account, c psp.Checkout) (psp.Outcome, error) {
	return p.call(ctx, CallOpen, c.Key, func() (psp.Outcome, error) {
		return p.create(c.Key, c.AttemptID, psp.Outcome{Status: psp.Open, URL: "https://pay.example/" + c.AttemptID, ExpiresAt: c.ExpiresAt}), nil
	})
}

// CloseCheckout implements psp.Redirector.
func (p *Provider) CloseCheckout(ctx context.Context, _ psp.Account, ref psp.Ref) (psp.Outcome, error) {
	p.saw(ref)
	return p.call(ctx, CallClose, ref.Key, func() (psp.Outcome, error) {
		if o, ok := p.objects[ref.AttemptID]; ok && o.Status == psp.Open {
			o.Status = psp.Closed
		}
		return p.look(ref.AttemptID)
	})
}

// Refund implements psp.Refunder.
func (p *Provider) Refund(ctx context.Context, _ psp.Account, m psp.Move) (psp.Outcome, error) {
	return p.move(ctx, CallRefund, m)
}

// Void implements psp.Voider.
func (p *Provider) Void(ctx context.Context, _ psp.Account, m psp.Move) (psp.Outcome, error) {
	return p.move(ctx, CallVoid, m)
}

// Capture implements psp.Capturer.
func (p *Provider) Capture(ctx context.Context, _ psp.Account, m psp.Move) (psp.Outcome, error) {
	return p.move(ctx, CallCapture, m)
}

func (p *Provider) move(ctx context.Context, name string, m psp.Move) (psp.Outcome, error) {
	return p.call(ctx, name, m.Key, func() (psp.Outcome, error) {
		status := psp.Succeeded
		if p.slow {
			status = psp.Processing
		}
		return p.create(m.Key, m.AttemptID, psp.Outcome{Status: status, PaymentRef: m.PaymentRef}), nil
	})
}

// create makes an object once per key; a repeated key answers the first one.
func (p *Provider) create(key, attemptID string, o psp.Outcome) psp.Outcome {
	if first, known := p.byKey[key]; known {
		return *p.objects[first]
	}
	o.Ref = "obj-" + attemptID
	p.byKey[key], p.objects[attemptID] = attemptID, &o
	return o
}

func (p *Provider) saw(ref psp.Ref) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastRef = ref
}
