package bucket

import (
	"context"
	"slices"

	"github.com/primecloud/primecloud/pkg/page"
)

// RulePlace names one lifecycle rule.
type RulePlace struct {
	AccountID, Bucket, ID string
	// ETag is the bucket's that the caller has seen, or empty.
	ETag string
}

// ListRulesMethod is the list that page tokens are bound to.
const ListRulesMethod = "/primecloud.storage.v1.LifecycleRuleService/ListLifecycleRules"

// ListRules returns a page of a bucket's rules, by id, and the token of the next page.
func (s *Service) ListRules(ctx context.Context, accountID, name string, size int32, token string) ([]Rule, string, error) {
	r := page.Request{Size: size, Token: token, Binding: page.Binding{Method: ListRulesMethod, Account: accountID, Query: []string{name}}}
	return page.List(s.Pages, r, func(after page.Position, _ int) ([]Rule, error) {
		b, err := s.Get(ctx, accountID, name)
		if err != nil || len(after) == 0 {
			return b.Spec.Lifecycle, err
		}
		return slices.DeleteFunc(slices.Clone(b.Spec.Lifecycle), func(r Rule) bool { return r.ID <= after.At(0) }), nil
	}, func(r Rule) page.Position { return page.Position{r.ID} })
}

// GetRule returns one rule of a bucket.
func (s *Service) GetRule(ctx context.Context, at RulePlace) (Rule, error) {
	b, err := s.Get(ctx, at.AccountID, at.Bucket)
	if err != nil {
		return Rule{}, err
	}
	return ruleOf(b, at.ID)
}

// CreateRule adds a rule and leaves all others as they are.
func (s *Service) CreateRule(ctx context.Context, at RulePlace, rule Rule) (Rule, Done, error) {
	at.ID = rule.ID
	return s.changeRules(ctx, at, func(rules []Rule) ([]Rule, error) {
		if indexOf(rules, rule.ID) >= 0 {
			return nil, ErrRuleExists
		}
		return append(rules, rule), nil
	})
}

// UpdateRule changes a rule, as change makes it of what it then is, and leaves all others as
// they are.
func (s *Service) UpdateRule(ctx context.Context, at RulePlace, change func(Rule) (Rule, error)) (Rule, Done, error) {
	return s.changeRules(ctx, at, func(rules []Rule) ([]Rule, error) {
		i := indexOf(rules, at.ID)
		if i < 0 {
			return nil, ErrRuleNotFound
		}
		changed, err := change(rules[i])
		changed.ID = at.ID
		rules[i] = changed
		return rules, err
	})
}

// DeleteRule removes a rule and leaves all others as they are.
func (s *Service) DeleteRule(ctx context.Context, at RulePlace) (Done, error) {
	return s.Update(ctx, at.AccountID, at.Bucket, at.ETag, Changes{Rules: func(rules []Rule) ([]Rule, error) {
		i := indexOf(rules, at.ID)
		if i < 0 {
			return nil, ErrRuleNotFound
		}
		return slices.Delete(rules, i, i+1), nil
	}})
}

func (s *Service) changeRules(ctx context.Context, at RulePlace, change func([]Rule) ([]Rule, error)) (Rule, Done, error) {
	done, err := s.Update(ctx, at.AccountID, at.Bucket, at.ETag, Changes{Rules: change})
	if err != nil {
		return Rule{}, Done{}, err
	}
	rule, err := ruleOf(done.Bucket, at.ID)
	return rule, done, err
}

func ruleOf(b Bucket, id string) (Rule, error) {
	i := indexOf(b.Spec.Lifecycle, id)
	if i < 0 {
		return Rule{}, ErrRuleNotFound
	}
	return b.Spec.Lifecycle[i], nil
}

func indexOf(rules []Rule, id string) int {
	return slices.IndexFunc(rules, func(r Rule) bool { return r.ID == id })
}
