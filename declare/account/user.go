package account

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"singlewindow/declare"
)

// A Role says what a user is here for.
type Role string

// The roles.
const (
	Official Role = "official" // sees what concerns one agency, or one port
	Operator Role = "operator" // keeps the gateway running, sees everything
	Auditor  Role = "auditor"  // sees everything, changes nothing
)

// What may keep a user from being made or signed in.
var (
	ErrUserExists = errors.New("account: the user exists")
	ErrBadUser    = errors.New("account: not a user: a name is 2 to 64 of a-z, 0-9, dot, hyphen, underscore and @; an official has one agency or one port, of 2 to 17 of A-Z and 0-9; the others have neither")
	ErrLocked     = errors.New("account: too many attempts under this name")
)

var (
	userName = regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{1,63}$`)
	portCode = regexp.MustCompile(`^[A-Z0-9]{2,17}$`)
)

// A name is locked after so many attempts without a pause of lockTime.
const (
	mostAttempts = 10
	lockTime     = 15 * time.Minute
)

// A User is somebody who signs in.
type User struct {
	ID       string
	Name     string
	Role     Role
	Agency   string // of an official of an agency
	Port     string // of an official at a port, its UN/LOCODE or number
	Epoch    int    // raised with every password: sessions of an earlier one are over
	Created  time.Time
	Disabled bool
}

// Scope is what the user may see.
func (u User) Scope() declare.Scope {
	switch {
	case u.Role == Operator || u.Role == Auditor:
		return declare.SystemScope
	case u.Port != "":
		return declare.PortScope(u.Port)
	}
	return declare.AgencyScope(u.Agency) // of no agency: sees nothing
}

// CreateUser writes down a user; the ID, epoch and time are given here. The
// error is [ErrUserExists], [ErrBadUser] or [ErrBadPassword].
func (a *Accounts) CreateUser(ctx context.Context, user User, password string) (User, error) {
	user.Name = plainName(user.Name)
	if err := user.Check(); err != nil {
		return User{}, err
	}
	hash, err := a.press.hash(ctx, password)
	if err != nil {
		return User{}, err
	}
	user.ID, user.Epoch, user.Created, user.Disabled = a.ids.New("usr"), 1, a.moment(), false
	made, err := a.exec(ctx, declare.SystemScope, "insert_user", user.ID, user.Name, user.Role, user.Agency, user.Port, hash, user.Created)
	if err == nil && !made {
		err = ErrUserExists
	}
	if err != nil {
		return User{}, err
	}
	return user, nil
}

// Check tells whether there can be such a user: [ErrBadUser] when not.
func (u User) Check() error {
	wellFormed := userName.MatchString(plainName(u.Name)) && (u.Agency == "" || agencyName.MatchString(u.Agency)) && (u.Port == "" || portCode.MatchString(u.Port))
	places := 0
	for _, place := range []string{u.Agency, u.Port} {
		if place != "" {
			places++
		}
	}
	if wellFormed && (u.Role == Official && places == 1 || (u.Role == Operator || u.Role == Auditor) && places == 0) {
		return nil
	}
	return ErrBadUser
}

// plainName is how a name is kept; people do not mind capitals.
func plainName(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// SignIn tells whose name and password these are. It is [ErrUnknown] when
// nobody's, wrong, or a disabled user's, all after the same work, and
// [ErrLocked] after too many attempts under a name, whether somebody has it
// or not: who asks learns no names. An attempt counts when it is judged, not
// while it waits.
func (a *Accounts) SignIn(ctx context.Context, name, password string) (User, error) {
	leave, err := a.press.place(ctx)
	if err != nil {
		return User{}, err
	}
	defer leave()
	name = plainName(name)
	attempt, now := a.attemptHash(name), a.moment()
	counted, err := a.exec(ctx, declare.SystemScope, "note_attempt", attempt, now, mostAttempts, now.Add(-lockTime))
	if err != nil {
		return User{}, err
	}
	if !counted {
		return User{}, ErrLocked
	}
	user, err := a.judge(ctx, name, password)
	if err != nil {
		return User{}, err
	}
	return user, a.tidy(ctx, attempt, now)
}

func (a *Accounts) attemptHash(name string) []byte { return a.vault.hash("sign-in " + name) }

// judge does the same work whether there is such a user or not.
func (a *Accounts) judge(ctx context.Context, name, password string) (User, error) {
	user, hash, err := a.userNamed(ctx, name)
	if errors.Is(err, ErrUnknown) {
		hash, err = decoy, nil
	}
	if err != nil {
		return User{}, err
	}
	match, err := matches(password, hash)
	if err == nil && (!match || user.Disabled) {
		err = ErrUnknown
	}
	return user, err
}

// tidy forgets the attempts of who has succeeded, and what is over.
func (a *Accounts) tidy(ctx context.Context, attempt []byte, now time.Time) error {
	return a.ledger.Within(ctx, declare.SystemScope, func(tx pgx.Tx) error {
		var batch pgx.Batch
		batch.Queue(statement("forget_attempts"), attempt)
		batch.Queue(statement("forget_old_attempts"), now.Add(-lockTime))
		batch.Queue(statement("forget_sessions"), now)
		return tx.SendBatch(ctx, &batch).Close()
	})
}

// User gives a user; [ErrUnknown] when there is none.
func (a *Accounts) User(ctx context.Context, id string) (user User, err error) {
	err = a.ledger.Within(ctx, declare.SystemScope, func(tx pgx.Tx) error {
		return user.read(tx.QueryRow(ctx, statement("user_of_id"), id))
	})
	return user, known(err)
}

func (a *Accounts) userNamed(ctx context.Context, name string) (user User, hash string, err error) {
	if !userName.MatchString(name) { // the database would refuse some, such as NUL
		return User{}, "", ErrUnknown
	}
	err = a.ledger.Within(ctx, declare.SystemScope, func(tx pgx.Tx) error {
		return user.read(tx.QueryRow(ctx, statement("user_of_name"), name), &hash)
	})
	return user, hash, known(err)
}

// read takes a row of a user, and what else stands in it.
func (u *User) read(row pgx.Row, more ...any) error {
	err := row.Scan(append([]any{&u.ID, &u.Name, &u.Role, &u.Agency, &u.Port, &u.Epoch, &u.Created, &u.Disabled}, more...)...)
	u.Created = u.Created.UTC()
	return err
}

// Users gives all users by name.
func (a *Accounts) Users(ctx context.Context) (users []User, err error) {
	err = a.ledger.Within(ctx, declare.SystemScope, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, statement("users"))
		if err != nil {
			return err
		}
		users, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (user User, err error) {
			err = user.read(row)
			return user, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	return users, nil
}

// SetPassword gives a user another password; all the user's sessions end with
// it. The error is [ErrUnknown] or [ErrBadPassword].
func (a *Accounts) SetPassword(ctx context.Context, name, password string) error {
	hash, err := a.press.hash(ctx, password)
	if err != nil {
		return err
	}
	name = plainName(name)
	changed, err := a.exec(ctx, declare.SystemScope, "set_password", name, hash)
	if err == nil && !changed {
		return ErrUnknown
	}
	if err == nil {
		_, err = a.exec(ctx, declare.SystemScope, "forget_attempts", a.attemptHash(name))
	}
	return err
}

// DisableUser keeps a user from signing in, and ends every session at its next
// request; [ErrUnknown] when there is no such user.
func (a *Accounts) DisableUser(ctx context.Context, name string) error {
	changed, err := a.exec(ctx, declare.SystemScope, "disable_user", plainName(name), a.moment())
	if err == nil && !changed {
		return ErrUnknown
	}
	return err
}
