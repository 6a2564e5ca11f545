package mysqlstore

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/lunchrush/lunchrush/service"
)

func TestWhatIsTriedAgain(t *testing.T) {
	deadlock, lockWait, readMoved := &mysql.MySQLError{Number: 1213}, &mysql.MySQLError{Number: 1205}, &mysql.MySQLError{Number: 1020}
	tests := []struct {
		name  string
		retry string
		errs  []error
		tries int
		fails bool
	}{
		{"a deadlock is tried again", service.Bounded, []error{deadlock, nil}, 2, false},
		{"so is a lock wait", service.Bounded, []error{lockWait, deadlock, nil}, 3, false},
		{"and a row that was changed after it was read", service.Bounded, []error{readMoved, nil}, 2, false},
		{"three tries and no more", service.Bounded, []error{deadlock, deadlock, deadlock, nil}, 3, true},
		{"a duplicate is an answer", service.Bounded, []error{&mysql.MySQLError{Number: 1062}, nil}, 1, true},
		{"another error may have had its effect", service.Bounded, []error{errors.New("broken pipe"), nil}, 1, true},
		{"as was, a deadlock is given up", service.None, []error{deadlock, nil}, 1, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := New("root@tcp(127.0.0.1:1)/x", service.DBSwitches{Pool: service.Bounded, MaxOpen: 1, Retry: test.retry})
			if err != nil {
				t.Fatal(err)
			}
			counted := 0
			s.Errors = func(uint16) { counted++ }
			n := 0
			err = s.again(context.Background(), func() error { n++; return test.errs[n-1] })
			if n != test.tries || (err != nil) != test.fails {
				t.Errorf("%d tries, error %v", n, err)
			}
			wanted := 0
			for _, e := range test.errs[:n] {
				if errorNumber(e) != 0 {
					wanted++
				}
			}
			if counted != wanted {
				t.Errorf("counted %d errors, wanted %d", counted, wanted)
			}
		})
	}
}

func TestADSNThatCanNotBeReadIsNotQuoted(t *testing.T) {
	_, err := New("user:hunter2@nonsense(((", service.DBSwitches{})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error: %v", err)
	}
}
