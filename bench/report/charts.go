package report

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/weirhq/weir/bench/figures"
)

// A chart is a picture in two themes.
type chart struct {
	file  string
	title string
	text  string
	draw  func(r *Report, p *plot.Plot, t figures.Theme) error
}

var charts = []chart{
	{"speed", "Speed",
		speedChart, (*Report).drawSpeed},
	{"latency", "Latency while growing to 1 M keys",
		latencyChart, (*Report).drawLatency},
	{"memory", "Memory under a flood, and after it",
		memoryChart, (*Report).drawMemory},
}

// Charts are all charts in all themes, by the name of their files.
func (r *Report) Charts() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, c := range charts {
		for _, t := range figures.Themes {
			p := figures.NewPlot(t)
			if err := c.draw(r, p, t); err != nil {
				return nil, err
			}
			svg, err := figures.SVG(p, t)
			if err != nil {
				return nil, err
			}
			files[c.file+"-"+t.Name+".svg"] = svg
		}
	}
	return files, nil
}

// A dotted is a series of one dot for each subject.
type dotted struct {
	name  string
	value func(s Subject) float64 // 0 for none
}

// drawDots has a line for each subject, the first one on top, and a dot on it for
// each series.
func (r *Report) drawDots(p *plot.Plot, t figures.Theme, all []dotted, ticks func(float64) string) error {
	var subjects []Subject
	for _, s := range r.Subjects {
		for _, d := range all {
			if d.value(s) > 0 {
				subjects = append([]Subject{s}, subjects...)
				break
			}
		}
	}
	if len(subjects) == 0 {
		return nil // nothing of this was run
	}
	names := make([]string, len(subjects))
	for i, s := range subjects {
		names[i] = s.Name
	}
	p.NominalY(names...)
	least, most := math.Inf(1), 0.0
	for i, d := range all {
		var dots plotter.XYs
		for y, s := range subjects {
			if v := d.value(s); v > 0 {
				dots = append(dots, plotter.XY{X: v, Y: float64(y)})
				least, most = min(least, v), max(most, v)
			}
		}
		if len(dots) == 0 {
			continue
		}
		scatter, err := plotter.NewScatter(dots)
		if err != nil {
			return err
		}
		scatter.GlyphStyle = draw.GlyphStyle{Color: t.Series[i], Radius: vg.Points(4.5), Shape: draw.CircleGlyph{}}
		p.Add(scatter)
		p.Legend.Add(d.name+"   ", scatter) // whatever font it is drawn in, it ends before the dot
	}
	p.X.Scale = plot.LogScale{}
	p.X.Tick.Marker = figures.Decades(ticks)
	p.X.Min, p.X.Max = least/1.5, most*5 // the legend stands at the right
	p.Y.Padding = vg.Points(12)
	p.Y.Min, p.Y.Max = -0.6, float64(len(subjects))-0.4
	return nil
}

func (r *Report) drawSpeed(p *plot.Plot, t figures.Theme) error {
	p.X.Label.Text = "multiples of the floor"
	under := func(load string) func(Subject) float64 {
		return func(s Subject) float64 {
			if c := r.cell(s.Name, load); c != nil && s.Name != "floor" {
				return c.Floors.Median
			}
			return 0
		}
	}
	return r.drawDots(p, t, []dotted{
		{"hot key, refused", under("hot-refused-1")},
		{"1 M keys at random", under("uniform")},
		{"flood of new keys", under("flood")},
	}, func(x float64) string { return figures.Three(x) + " ×" })
}

func (r *Report) drawLatency(p *plot.Plot, t figures.Theme) error {
	p.X.Label.Text = "time of a decision"
	at := func(of func(*Cell) int64) func(Subject) float64 {
		return func(s Subject) float64 {
			if c := r.cell(s.Name, "grow-1M"); c != nil && c.Latency != nil && s.Name != "floor" {
				return float64(of(c))
			}
			return 0
		}
	}
	return r.drawDots(p, t, []dotted{
		{"median", at(func(c *Cell) int64 { return c.Latency.P50 })},
		{"p99.9", at(func(c *Cell) int64 { return c.Latency.P999 })},
		{"p99.99", at(func(c *Cell) int64 { return c.Latency.P9999 })},
		{"p99.999", at(func(c *Cell) int64 { return c.Latency.P99999 })},
		{"slowest", at(func(c *Cell) int64 { return c.Latency.Max })},
	}, figures.Nanos)
}

// drawMemory has a curve for each subject. There are more of them than colours,
// so dashes tell the rest apart, and weir's is drawn thicker.
func (r *Report) drawMemory(p *plot.Plot, t figures.Theme) error {
	p.X.Label.Text, p.Y.Label.Text = "seconds", "heap, MiB"
	for i, s := range r.Subjects {
		c := r.cell(s.Name, "flood-memory")
		if c == nil || len(c.Memory) == 0 || s.Reference || s.ours() && s.Name != "weir" {
			continue
		}
		points := make(plotter.XYs, len(c.Memory))
		for j, m := range c.Memory {
			points[j] = plotter.XY{X: float64(m.Ms) / 1000, Y: float64(m.Bytes) / (1 << 20)}
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return err
		}
		line.Color, line.Width = t.Series[i%len(t.Series)], vg.Points(1.2)
		line.Dashes = [][]vg.Length{nil, {vg.Points(6), vg.Points(3)}, {vg.Points(2), vg.Points(2)}}[i/len(t.Series)%3]
		if s.ours() {
			line.Color, line.Width, line.Dashes = t.Ours, vg.Points(3), nil
		}
		p.Add(line)
		p.Legend.Add(s.Name, line)
	}
	p.Legend.Left, p.Legend.XOffs = true, 6
	p.Y.Min = 0
	return nil
}
