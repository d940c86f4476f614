package account

import (
	"slices"

	"singlewindow/declare"
)

// Scopes is a set of what a key may do. The empty set may do nothing.
type Scopes uint16

// What a key may do, each by itself.
const (
	ReadDeclarations Scopes = 1 << iota
	WriteDeclarations
	FileBatches
	ReadEvents
	ManageWebhooks
	ManageKeys
)

// A ScopeEntry is one scope: how it is written, and what it allows.
type ScopeEntry struct {
	Scope Scopes
	Name  string
	Means declare.Text
}

// ScopeList is every scope there is.
var ScopeList = []ScopeEntry{
	{ReadDeclarations, "declarations:read", declare.Text{English: "Find and read declarations, their messages and how long they took", Chinese: "查询申报单及其报文和通关用时"}},
	{WriteDeclarations, "declarations:write", declare.Text{English: "Check and file declarations", Chinese: "校验并提交申报单"}},
	{FileBatches, "batches", declare.Text{English: "Hand in files, follow them, keep column mappings", Chinese: "上传批量文件、查看处理结果、维护列对应关系"}},
	{ReadEvents, "events:read", declare.Text{English: "Read and follow events", Chinese: "读取并订阅事件"}},
	{ManageWebhooks, "webhooks", declare.Text{English: "Manage where events are sent", Chinese: "管理事件推送地址"}},
	{ManageKeys, "keys", declare.Text{English: "Make, rotate and revoke keys", Chinese: "创建、轮换和撤销密钥"}},
}

// AllScopes is what a key may do that was made without naming scopes.
var AllScopes = func() (all Scopes) {
	for _, scope := range ScopeList {
		all |= scope.Scope
	}
	return all
}()

// ParseScopes reads names of scopes; it is not ok when one of them is none.
func ParseScopes(names []string) (scopes Scopes, ok bool) {
	for _, name := range names {
		one := scopeNamed(name)
		if one == 0 {
			return 0, false
		}
		scopes |= one
	}
	return scopes, true
}

// KnownScopes reads names of scopes and passes over what is none: of others
// than us.
func KnownScopes(names []string) (scopes Scopes) {
	for _, name := range names {
		scopes |= scopeNamed(name)
	}
	return scopes
}

func scopeNamed(name string) Scopes {
	at := slices.IndexFunc(ScopeList, func(scope ScopeEntry) bool { return scope.Name == name })
	if at < 0 {
		return 0
	}
	return ScopeList[at].Scope
}

// Names are the names of the scopes in the set, in the order of the list.
func (s Scopes) Names() []string {
	names := []string{}
	for _, scope := range ScopeList {
		if s&scope.Scope != 0 {
			names = append(names, scope.Name)
		}
	}
	return names
}

// Lacks gives what of wanted is not in the set.
func (s Scopes) Lacks(wanted Scopes) Scopes { return wanted &^ s }
