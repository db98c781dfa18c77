package report

import (
	"errors"
	"fmt"
)

// Promises that a short run asserts, with wide margins: they hold on a busy machine
// too, because they compare servers that ran side by side.
const (
	MostOfPion  = 0.7 // of plain pion's cost without interceptors
	MostOfFloor = 2.5 // times the floor's cost
)

// Check returns every promise that the relay breaks in a setting, or that could not
// be judged.
func (r *Result) Check(setting Setting) error {
	var errs []error
	cost := map[string]float64{}
	for _, server := range []string{Floor, Relay, Pion} {
		s, ok := r.Summarize(server, setting)
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("%s was not measured", server))
		case s.Good == 0 && server == Relay:
			errs = append(errs, fmt.Errorf("the relay was to serve %d viewers without loss, but: %s", setting.Viewers, s.Fault))
		case s.Good == 0:
			errs = append(errs, fmt.Errorf("no good row of %s to compare with: %s", server, s.Fault))
		}
		cost[server] = s.CPU.Median
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	for _, promise := range []struct {
		other string
		most  float64
	}{{Pion, MostOfPion}, {Floor, MostOfFloor}} {
		if ratio := cost[Relay] / cost[promise.other]; ratio > promise.most {
			errs = append(errs, fmt.Errorf("the relay costs %.2f us/packet, %.2f times as much as %s (%.2f us/packet); at most %.1f times is promised",
				cost[Relay], ratio, promise.other, cost[promise.other], promise.most))
		}
	}
	return errors.Join(errs...)
}
