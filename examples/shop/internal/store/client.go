package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"example.com/shop/internal/kit"
)

// Client is the store as one service sees it: its own bucket and queue.
type Client struct {
	name string
	http *kit.Client
}

// NewClient gives the Client of the service called name, as which http must
// have its token.
func NewClient(name string, http *kit.Client) *Client { return &Client{name, http} }

// Dial makes the Client of the service called name from STORE_URL and
// STORE_TOKEN. A service that keeps data is not ready without its store.
func Dial(s *kit.Server, name string) *Client {
	c := NewClient(name, s.Client("store").As(s.Get("STORE_TOKEN")))
	s.ReadyWhen(c.Ping)
	return c
}

// Ping asks whether the store answers, and to us.
func (c *Client) Ping(ctx context.Context) error {
	return c.http.Within(time.Second).Get(ctx, "/token", nil)
}

// Get reads the value of a key and gives its version; 0 when there is none.
func (c *Client) Get(ctx context.Context, key string, into any) (version uint64, err error) {
	if !keyForm.MatchString(key) {
		return 0, nil
	}
	var entry Entry
	err = c.http.Get(ctx, "/buckets/"+c.name+"/"+key, &entry)
	switch {
	case kit.StatusOf(err) == http.StatusNotFound:
		return 0, nil
	case err != nil:
		return 0, ours(err)
	}
	return entry.Version, json.Unmarshal(entry.Value, into)
}

// List reads the values whose keys start with prefix, in the order of the keys.
func List[T any](ctx context.Context, c *Client, prefix string) ([]T, error) {
	var entries map[string]Entry
	if err := c.http.Get(ctx, "/buckets/"+c.name+"?prefix="+url.QueryEscape(prefix), &entries); err != nil {
		return nil, ours(err)
	}
	values := make([]T, len(entries))
	for i, key := range slices.Sorted(maps.Keys(entries)) {
		if err := json.Unmarshal(entries[key].Value, &values[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	return values, nil
}

// Put is the change of a key, whatever it has been.
func (c *Client) Put(key string, value any) Op {
	return Op{Do: "put", In: c.name, Key: key, Value: mustJSON(value)}
}

// PutIf is Put if the key still has the version that Get gave.
func (c *Client) PutIf(version uint64, key string, value any) Op {
	op := c.Put(key, value)
	op.If = &version
	return op
}

// Delete is the end of a key.
func (c *Client) Delete(key string) Op { return Op{Do: "delete", In: c.name, Key: key} }

// Push is a message to another service.
func Push(service string, value any) Op { return Op{Do: "push", In: service, Value: mustJSON(value)} }

// Commit makes all the changes, or none and gives ErrConflict.
func (c *Client) Commit(ctx context.Context, ops ...Op) error {
	err := c.http.Do(ctx, http.MethodPost, "/commit", map[string]any{"ops": ops}, nil)
	if kit.StatusOf(err) == http.StatusConflict {
		return ErrConflict
	}
	return ours(err)
}

// Take waits for a message to this service; nil is none for now.
func (c *Client) Take(ctx context.Context) (*Message, error) {
	var message *Message
	err := c.http.Within(waitTime+5*time.Second).Do(ctx, http.MethodPost, "/queues/"+c.name+"/leases", nil, &message)
	return message, ours(err)
}

// A Handle does what a message asks for, and gives the changes that are its
// result.
type Handle func(context.Context, json.RawMessage) ([]Op, error)

// Work commits the result of handle together with the acknowledgement of m. When
// either fails, the message comes again after leaseTime, to whoever asks: what
// handle does to others than the store it may do twice.
func (c *Client) Work(ctx context.Context, m *Message, handle Handle) error {
	ctx, cancel := context.WithTimeout(ctx, leaseTime)
	defer cancel()
	ops, err := handle(ctx, m.Value)
	if err != nil {
		return err
	}
	return c.Commit(ctx, append(ops, Op{Do: "ack", In: c.name, Key: m.ID, Lease: m.Lease})...)
}

// Consume works on the messages to this service, one at a time, until ctx ends;
// the one that it has then is finished.
func (c *Client) Consume(handle Handle) func(context.Context) error {
	return func(ctx context.Context) error {
		for ctx.Err() == nil {
			message, err := c.Take(ctx)
			switch {
			case err != nil && ctx.Err() == nil:
				kit.Log(ctx).Error("no messages", "error", err)
				kit.Pause(ctx, time.Second)
			case message != nil:
				work := kit.WithRequest(context.WithoutCancel(ctx), message.Request)
				if err := c.Work(work, message, handle); err != nil {
					kit.Log(work).Error("the message will come again", "error", err)
				}
			}
		}
		return nil
	}
}

// ours keeps a refusal of the store from being taken for a fault of whoever
// asked this service: it is this service's own.
func ours(err error) error {
	if status := kit.StatusOf(err); status >= 400 && status < 500 {
		return errors.New("the store refuses: " + err.Error())
	}
	return err
}
