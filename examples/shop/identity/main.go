// Identity knows the shop's customers. It signs a token for who knows their
// password, and later tells whose token it is.
package main

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"example.com/shop/internal/kit"
	"example.com/shop/internal/store"
)

func main() {
	kit.Main("identity", func(_ context.Context, s *kit.Server) error {
		i := &identity{data: store.Dial(s, "identity"), key: []byte(s.Get("SIGNING_KEY")), now: time.Now}
		i.routes(s)
		if len(i.key) < 16 {
			return errors.New("SIGNING_KEY must have at least 16 characters")
		}
		var err error
		if i.rounds, err = strconv.Atoi(s.Get("HASH_ROUNDS")); err != nil || i.rounds < 1 {
			return errors.New("HASH_ROUNDS must be a number, such as 600000")
		}
		return nil
	})
}

type identity struct {
	data   *store.Client
	key    []byte
	rounds int // of the hash of a new customer's password
	now    func() time.Time
}

func (i *identity) routes(s *kit.Server) {
	s.Handle("POST /customers", i.register)
	s.Handle("POST /tokens", i.signIn)
	s.Handle("GET /customer", i.whose)
}

// customer is what is kept: nobody can read the password in it.
type customer struct {
	Name   string `json:"name"`
	Salt   []byte `json:"salt"`
	Rounds int    `json:"rounds"`
	Hash   []byte `json:"hash"`
}

type credentials struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9]{1,29}$`)

func (i *identity) register(r *http.Request) (any, error) {
	var asked credentials
	if err := kit.Decode(r, &asked); err != nil {
		return nil, err
	}
	if !nameForm.MatchString(asked.Name) {
		return nil, kit.Errorf(http.StatusBadRequest, "name must be 2 to 30 of a-z and 0-9, starting with a letter")
	}
	if len(asked.Password) < 8 || len(asked.Password) > 200 {
		return nil, kit.Errorf(http.StatusBadRequest, "password must have 8 to 200 characters")
	}
	made := customer{Name: asked.Name, Salt: []byte(rand.Text()), Rounds: i.rounds}
	var err error
	if made.Hash, err = made.hash(asked.Password); err != nil {
		return nil, err
	}
	err = i.data.Commit(r.Context(), i.data.PutIf(0, made.Name, made))
	if errors.Is(err, store.ErrConflict) {
		err = kit.Errorf(http.StatusConflict, "there is a customer %q already", made.Name)
	}
	return map[string]string{"customer": made.Name}, err
}

func (i *identity) signIn(r *http.Request) (any, error) {
	var asked credentials
	if err := kit.Decode(r, &asked); err != nil {
		return nil, err
	}
	// Of a customer who is not there the hash is computed too: how long it takes
	// does not tell who is.
	known := customer{Rounds: i.rounds}
	if _, err := i.data.Get(r.Context(), asked.Name, &known); err != nil {
		return nil, err
	}
	shown, err := known.hash(asked.Password)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(shown, known.Hash) != 1 {
		return nil, kit.Errorf(http.StatusUnauthorized, "the name or the password is wrong")
	}
	expires := i.now().Add(tokenLife)
	return map[string]any{"token": sign(i.key, known.Name, expires), "expires": expires.UTC().Truncate(time.Second)}, nil
}

func (i *identity) whose(r *http.Request) (any, error) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	name, ok := verify(i.key, token, i.now())
	if !ok {
		return nil, kit.Errorf(http.StatusUnauthorized, "sign in first: the token is missing, wrong or too old")
	}
	return map[string]string{"customer": name}, nil
}

// hash is slow on purpose: guessing passwords from a stolen volume takes as long
// (https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html).
func (c *customer) hash(password string) ([]byte, error) {
	return pbkdf2.Key(sha256.New, password, c.Salt, c.Rounds, sha256.Size)
}
