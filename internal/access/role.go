// Package access is who may do what in the console, and how people prove who
// they are: roles, passwords, one-time codes, session and CSRF tokens, and the
// waits that slow guessing down. It is pure: no HTTP, no SQL, the clock is given.
package access

import (
	"errors"
	"fmt"
	"strings"
)

// Role says what a person may do. A person has one.
type Role string

// Roles. Admin is not "everything": who hands out access does not release money.
const (
	// Viewer sees payments.
	Viewer Role = "viewer"
	// Operator also acts on them: resolve, retry, expire, note, refund, capture, void.
	Operator Role = "operator"
	// Finance acts on payments, releases held money and reads the audit.
	Finance Role = "finance"
	// Admin acts on payments, manages accounts, users and keys, erases and reads the audit.
	Admin Role = "admin"
)

// Permission is one thing that a page or an action asks for.
type Permission string

// Permissions. Their texts stand in the audit: never rename one.
const (
	// SeePayments: lists, single payments, deliveries.
	SeePayments Permission = "see_payments"
	// ActOnPayments: what operators press.
	ActOnPayments Permission = "act_on_payments"
	// ReleaseMoney: let go of money that is held for somebody.
	ReleaseMoney Permission = "release_money"
	// ManageAccounts: shops and their accounts at providers.
	ManageAccounts Permission = "manage_accounts"
	// ManageUsers: people, their roles and passwords.
	ManageUsers Permission = "manage_users"
	// ManageKeys: keys for /api/v1.
	ManageKeys Permission = "manage_keys"
	// ReadAudit: the audit and its verification.
	ReadAudit Permission = "read_audit"
	// Erase: start and see erasures of a person or a shop.
	Erase Permission = "erase"
)

// ErrRole reports a text that names no role.
var ErrRole = errors.New("a role is viewer, operator, finance or admin")

// ParseRole reads a role's name.
func ParseRole(text string) (Role, error) {
	role := Role(text)
	if !role.Known() {
		return "", ErrRole
	}
	return role, nil
}

// Roles lists all roles, from least to most.
func Roles() []Role { return []Role{Viewer, Operator, Finance, Admin} }

// Permissions lists all permissions.
func Permissions() []Permission {
	return []Permission{SeePayments, ActOnPayments, ReleaseMoney, ManageAccounts, ManageUsers, ManageKeys, ReadAudit, Erase}
}

// Known reports whether r is a role.
func (r Role) Known() bool {
	switch r {
	case Viewer, Operator, Finance, Admin:
		return true
	}
	return false
}

// May reports whether the role has the permission. What is unknown may nothing,
// and nobody may what is unknown.
func (r Role) May(p Permission) bool {
	switch p {
	case SeePayments:
		return r.Known()
	case ActOnPayments:
		return r == Operator || r == Finance || r == Admin
	case ReleaseMoney:
		return r == Finance
	case ReadAudit:
		return r == Finance || r == Admin
	case ManageAccounts, ManageUsers, ManageKeys, Erase:
		return r == Admin
	}
	return false
}

// RoleRule gives a role to people with a value in a claim of their identity
// token, such as a group.
type RoleRule struct {
	Value string
	Role  Role
}

// RoleRules are tried in order; the first that fits decides, so that a person
// in two groups has the role that the configuration put first.
type RoleRules []RoleRule

// ParseRoleRules reads "value=role,value=role". Values may hold equals signs,
// as distinguished names do, and no commas. An empty text has no rules.
func ParseRoleRules(text string) (RoleRules, error) {
	var rules RoleRules
	if strings.TrimSpace(text) == "" {
		return rules, nil
	}
	for i, item := range strings.Split(text, ",") {
		at := strings.LastIndexByte(item, '=')
		if at < 1 || strings.TrimSpace(item[:at]) == "" {
			return nil, fmt.Errorf("role rule %d is not value=role", i+1)
		}
		role, err := ParseRole(strings.TrimSpace(item[at+1:]))
		if err != nil {
			return nil, fmt.Errorf("role rule %d: %w", i+1, err)
		}
		rules = append(rules, RoleRule{Value: strings.TrimSpace(item[:at]), Role: role})
	}
	return rules, nil
}

// Role finds the role for a claim, decoded from JSON: a text or a list of texts.
// false: no rule fits, and the person may not come in.
func (rules RoleRules) Role(claim any) (Role, bool) {
	held := map[string]bool{}
	switch claim := claim.(type) {
	case string:
		held[claim] = true
	case []any:
		for _, one := range claim {
			if text, ok := one.(string); ok {
				held[text] = true
			}
		}
	}
	for _, rule := range rules {
		if held[rule.Value] {
			return rule.Role, true
		}
	}
	return "", false
}
