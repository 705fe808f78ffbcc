package faults_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
)

func arm(t *testing.T, s *faults.Switchboard, r faults.Rule) {
	t.Helper()
	_, err := s.Arm(r)
	require.NoError(t, err)
}

func TestRuleCounting(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		rule faults.Rule
		want []bool // does call i fire?
	}{
		{"the next call by default, once", faults.Rule{}, []bool{true, false, false}},
		{"the n-th call only", faults.Rule{Nth: 3}, []bool{false, false, true, false}},
		{"several in a row from the n-th", faults.Rule{Nth: 2, Times: 2}, []bool{false, true, true, false}},
		{"times 1 is once", faults.Rule{Times: 1}, []bool{true, false}},
		{"for ever", faults.Rule{Nth: 2, Times: -1}, []bool{false, true, true, true, true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := faults.New(faults.Options{})
			tt.rule.Call, tt.rule.Kind = "refunds.create", faults.LoseReply
			arm(t, s, tt.rule)
			for i, want := range tt.want {
				require.False(t, s.Plan("charges.list", "").Has(faults.LoseReply), "another call is not counted")
				require.Equal(t, want, s.Plan("refunds.create", "").Has(faults.LoseReply), "call %d", i+1)
			}
			st := s.Status()
			require.Len(t, st.Rules, 1)
			require.Equal(t, "f1", st.Rules[0].ID)
		})
	}
}

func TestRuleMatching(t *testing.T) {
	t.Parallel()
	t.Run("match restricts and does not count other calls", func(t *testing.T) {
		t.Parallel()
		s := faults.New(faults.Options{})
		arm(t, s, faults.Rule{Call: "*", Kind: faults.HoldReply, Nth: 2, Match: "ref-7"})
		require.False(t, s.Plan("a", "ref-7").Has(faults.HoldReply))
		require.False(t, s.Plan("b", "ref-8").Has(faults.HoldReply))
		require.True(t, s.Plan("c", "x ref-7 y").Has(faults.HoldReply))
	})
	t.Run("a prefix names a family of calls", func(t *testing.T) {
		t.Parallel()
		s := faults.New(faults.Options{})
		arm(t, s, faults.Rule{Call: "refunds.*", Kind: faults.ErrorAfter, Times: -1})
		require.True(t, s.Plan("refunds.list", "").Has(faults.ErrorAfter))
		require.False(t, s.Plan("charges.list", "").Has(faults.ErrorAfter))
	})
	t.Run("calls and webhooks never share a counter", func(t *testing.T) {
		t.Parallel()
		s := faults.New(faults.Options{})
		arm(t, s, faults.Rule{Call: "*", Kind: faults.WebhookDrop})
		arm(t, s, faults.Rule{Call: "*", Kind: faults.LoseRequest})
		require.False(t, s.Plan("refunds.create", "").Has(faults.WebhookDrop))
		hooks := s.Webhook("refund.created", "{}")
		require.Len(t, hooks, 1)
		require.Equal(t, faults.WebhookDrop, hooks[0].Kind)
		require.Empty(t, s.Webhook("refund.created", "{}"), "spent")
	})
	t.Run("several rules fire on one call, and a decline carries its code", func(t *testing.T) {
		t.Parallel()
		s := faults.New(faults.Options{})
		arm(t, s, faults.Rule{Call: "pay", Kind: faults.Decline("lost_card")})
		arm(t, s, faults.Rule{Call: "pay", Kind: faults.DelayReply, DelayMS: 1})
		plan := s.Plan("pay", "")
		code, ok := plan.Decline()
		require.True(t, ok)
		require.Equal(t, "lost_card", code)
		require.True(t, plan.Has(faults.DelayReply))
		_, ok = s.Plan("pay", "").Decline()
		require.False(t, ok)
	})
}

func TestArmRefuses(t *testing.T) {
	t.Parallel()
	s := faults.New(faults.Options{Calls: []string{"refunds.create"}})
	tests := []struct {
		name, reason string
		rule         faults.Rule
	}{
		{"no call", "call is missing", faults.Rule{Kind: faults.LoseReply}},
		{"unknown call", "is unknown", faults.Rule{Call: "refund.create", Kind: faults.LoseReply}},
		{"unknown family", "is unknown", faults.Rule{Call: "payouts.*", Kind: faults.LoseReply}},
		{"unknown kind", "kind", faults.Rule{Call: "*", Kind: "explode"}},
		{"decline without code", "kind", faults.Rule{Call: "*", Kind: faults.Decline("")}},
		{"negative nth", "nth", faults.Rule{Call: "*", Kind: faults.LoseReply, Nth: -1}},
		{"times below -1", "times", faults.Rule{Call: "*", Kind: faults.LoseReply, Times: -2}},
		{"delay without duration", "delay_ms", faults.Rule{Call: "*", Kind: faults.Delay}},
		{"delay of more than a day", "delay_ms", faults.Rule{Call: "*", Kind: faults.Delay, DelayMS: 86_400_001}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := s.Arm(tt.rule)
			require.ErrorContains(t, err, tt.reason)
		})
	}
	t.Run("event types are not checked against the calls", func(t *testing.T) {
		t.Parallel()
		_, err := s.Arm(faults.Rule{Call: "charge.refunded", Kind: faults.WebhookTwice})
		require.NoError(t, err)
	})
}

func TestDisarmedRulesStayListedAndDoNotFire(t *testing.T) {
	t.Parallel()
	s := faults.New(faults.Options{})
	armed, err := s.Arm(faults.Rule{Call: "refunds.create", Kind: faults.LoseReply, Times: -1})
	require.NoError(t, err)
	arm(t, s, faults.Rule{Call: "refunds.create", Kind: faults.ErrorAfter, Times: -1})
	require.True(t, s.Plan("refunds.create", "").Has(faults.LoseReply))

	require.True(t, s.Disarm(armed.ID))
	plan := s.Plan("refunds.create", "")
	require.False(t, plan.Has(faults.LoseReply))
	require.True(t, plan.Has(faults.ErrorAfter), "other rules go on")
	rules := s.Status().Rules
	require.Len(t, rules, 2)
	require.True(t, rules[0].Spent)
	require.Equal(t, 1, rules[0].Fired, "what it did stays known")

	require.False(t, s.Disarm("f9"), "no such rule")
}
