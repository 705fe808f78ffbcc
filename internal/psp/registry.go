package psp

import (
	"fmt"
	"slices"

	"tillflow/internal/payment"
)

// Registry finds a connector by its provider's name.
type Registry struct{ byName map[string]Connector }

// NewRegistry refuses two connectors of one name.
func NewRegistry(connectors ...Connector) (*Registry, error) {
	r := &Registry{byName: map[string]Connector{}}
	for _, c := range connectors {
		if _, taken := r.byName[c.Name()]; taken {
			return nil, fmt.Errorf("two connectors are named %q", c.Name())
		}
		r.byName[c.Name()] = c
	}
	return r, nil
}

// Connector gives the connector of a provider, or payment.Unsupported.
func (r *Registry) Connector(name string) (Connector, error) {
	c, ok := r.byName[name]
	if !ok {
		return nil, payment.Errorf(payment.Unsupported, "no connector for provider %q", name)
	}
	return c, nil
}

// Names lists the providers in order.
func (r *Registry) Names() []string {
	names := make([]string, 0, len(r.byName))
	for n := range r.byName {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
