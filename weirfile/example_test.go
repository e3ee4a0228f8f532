package weirfile_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirfile"
)

// newLimiter is how a service makes its limiter. The quotas are those of the
// documentation, until there is a file.
func newLimiter() *weir.PartitionLimiter {
	resolver, err := weir.NewResolver(func(context.Context, string) (weir.Source, error) {
		return weir.Source{}, weir.ErrNoSource // ask your database here
	})
	if err != nil {
		log.Fatal(err)
	}
	quota := weir.PerMinute(300)
	limiter, err := weir.NewPartitionLimiter(resolver, map[weir.Partition]weir.Quota{
		weir.IP: quota, weir.User: quota, weir.Business: quota, weir.BusinessIntake: quota,
	})
	if err != nil {
		log.Fatal(err)
	}
	return limiter
}

func Example() {
	limiter, path := newLimiter(), "testdata/quotas.json"
	ctx, stop := context.WithCancel(context.Background())

	file, err := weirfile.Open(path, limiter)
	if err != nil {
		log.Fatal(err) // each mistake with its line and column; the limiter is as it was
	}
	watch := file.Watch(ctx, func(err error) { // from here on, kill -HUP reloads the file
		if err != nil {
			log.Print("quotas stay as they were: ", err)
		}
	})

	fmt.Println(limiter.Limiter(weir.Business).Peek("43").Limit)
	fmt.Println(limiter.Limiter(weir.Business).Peek("44").Limit)
	stop()
	<-watch
	// Output:
	// 600
	// 300
}

// A business asks for more throughput, and gets it while the service runs. What
// it has spent stays spent.
func ExampleFile_Reload() {
	dir, err := os.MkdirTemp("", "weirfile")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "quotas.json")
	save := func(overrides string) {
		content := `{"quotas": {"business": "300/1h", "business-intake": "300/1h", "user": "300/1h", "ip": "300/1h"},
 "overrides": {"business": {` + overrides + `}}}`
		if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
			log.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			log.Fatal(err)
		}
	}
	save("")
	limiter := newLimiter()
	file, err := weirfile.Open(path, limiter)
	if err != nil {
		log.Fatal(err)
	}
	business := limiter.Limiter(weir.Business)
	fmt.Println("left of 300:", business.AllowN("42", 100).Remaining)

	save(`"42": "3O00/1h"`)
	if err := file.Reload(); err != nil {
		fmt.Println("refused; left of 300:", business.Peek("42").Remaining)
	}
	save(`"42": "3000/1h"`)
	if err := file.Reload(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("left of 3000:", business.Peek("42").Remaining)
	// Output:
	// left of 300: 200
	// refused; left of 300: 200
	// left of 3000: 2900
}

// Everything that is wrong with a file is reported at once.
func ExampleParse() {
	_, err := weirfile.Parse([]byte(`{
  "quotas": {"business": "300/1m", "business-intake": "300/1x", "user": 300},
  "overrides": {
    "business": {
      "42": {"quota": "3000/1m burst 500", "untill": "2027-01-31T00:00:00Z"},
      "43": "600/1m",
      "42": "0/1m"
    },
    "ip": {"2001:DB8::/64": "30/1m"}
  }
}`))
	fmt.Println(err)
	// Output:
	// 2:13: .quotas.ip is missing; it must be a quota such as "300/1m" or "300/1m burst 50"
	// 2:60: .quotas["business-intake"] is "300/1x": weir: quota "300/1x": at byte 4: want a period such as 1s, 1m or 1h30m after the slash
	// 2:73: .quotas.user is 300; it must be a quota such as "300/1m" or "300/1m burst 50"
	// 5:44: .overrides.business["42"].untill is an unknown name; it must be quota, note or until
	// 7:7: .overrides.business["42"] is given again; it must be given once, as it is in line 5
	// 7:13: .overrides.business["42"] is "0/1m": weir: Quota.Limit is 0; it must be above 0
	// 9:12: .overrides.ip["2001:DB8::/64"] is not how requests are counted; it must be written 2001:db8::/64
}

// What a test of the service does, so that a bad file is not merged.
func ExampleConfig_Check() {
	data, err := os.ReadFile("testdata/quotas.json")
	if err != nil {
		log.Fatal(err)
	}
	config, err := weirfile.Parse(data)
	if err != nil {
		log.Fatal(err)
	}
	if err := config.Check(newLimiter()); err != nil { // the limiter as the service makes it
		log.Fatal(err)
	}
	fmt.Println("good")
	// Output: good
}

// Overrides that have had their time can be taken out of the file.
func ExampleConfig_Overrides() {
	config, err := weirfile.Parse([]byte(`{
  "quotas": {"business": "300/1m", "business-intake": "300/1m", "user": "300/1m", "ip": "300/1m"},
  "overrides": {"business": {
    "42": {"quota": "3000/1m burst 500", "note": "launch", "until": "2021-01-31T00:00:00Z"},
    "43": "600/1m"
  }}
}`))
	if err != nil {
		log.Fatal(err)
	}
	for o := range config.Overrides() {
		if !o.InForce(time.Now()) {
			fmt.Printf("line %d: %v %s (%s) is over since %s\n", o.Line, o.Partition, o.Key, o.Note, o.Until.Format(time.DateOnly))
		}
	}
	// Output: line 4: business 42 (launch) is over since 2021-01-31
}
