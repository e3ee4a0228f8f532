package redisbench

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/weirhq/weir/bench/figures"
)

// A chart is a picture in two themes: a line for each subject over the points.
type chart struct {
	file, title, text string
	load              string
	points            []Point
	axis              string
	x                 func(Point) int
}

var charts = []chart{
	{"callers", "One key, by callers", callersChart, "hot", ByCallers,
		"callers", func(p Point) int { return p.Callers }},
	{"attack", "An attack on one key, by callers", attackChart, "attack", ByCallers,
		"callers", func(p Point) int { return p.Callers }},
	{"processes", "One key, by processes", processesChart, "hot", append([]Point{{1, 8}}, ByProcesses...),
		"processes", func(p Point) int { return p.Processes }},
}

// Charts are all charts in all themes, by the name of their files.
func (r *Report) Charts() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, c := range charts {
		for _, t := range figures.Themes {
			p := figures.NewPlot(t)
			if err := r.draw(c, p, t); err != nil {
				return nil, err
			}
			svg, err := figures.SVG(p, t)
			if err != nil {
				return nil, err
			}
			files["redis-"+c.file+"-"+t.Name+".svg"] = svg
		}
	}
	return files, nil
}

// draw draws a line for each subject that was measured. Those of weirredis are thick
// and of one colour, those of the floor thin and dotted; the others have a colour each.
func (r *Report) draw(c chart, p *plot.Plot, t figures.Theme) error {
	least, most := math.Inf(1), 0.0
	first, last := math.Inf(1), 0.0
	used := map[Kind]int{}
	for _, s := range r.Subjects {
		var points plotter.XYs
		for _, at := range c.points {
			if cell := r.cell(s.Name, c.load, at); cell != nil && cell.PerSecond.Median > 0 {
				xy := plotter.XY{X: float64(c.x(at)), Y: cell.PerSecond.Median}
				points = append(points, xy)
				least, most = min(least, xy.Y), max(most, xy.Y)
				first, last = min(first, xy.X), max(last, xy.X)
			}
		}
		if len(points) == 0 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return err
		}
		style(line, dots, s.Kind, used[s.Kind], t)
		used[s.Kind]++
		p.Add(line, dots)
		p.Legend.Add(s.Name+"      ", line, dots) // whatever font it is drawn in, it ends before the line
	}
	if most == 0 {
		return nil // nothing of this was run
	}
	p.X.Label.Text, p.Y.Label.Text = c.axis, "decisions a second"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.Y.Tick.Marker = figures.Decades(perSecond)
	p.X.Tick.Marker = c.ticks()
	p.X.Min, p.X.Max = first/1.1, last*math.Pow(last/first+1, 0.6) // the legend stands at the right
	p.Y.Min, p.Y.Max = least/1.5, most*1.5
	return nil
}

// dashes tell lines of one colour apart.
var dashes = [][]vg.Length{nil, {vg.Points(7), vg.Points(3)}, {vg.Points(2), vg.Points(2)}, {vg.Points(8), vg.Points(2), vg.Points(2), vg.Points(2)}}

func style(line *plotter.Line, dots *plotter.Scatter, kind Kind, n int, t figures.Theme) {
	line.Width, line.Dashes = vg.Points(1.4), dashes[n/len(t.Series)%len(dashes)]
	switch kind {
	case Ours:
		line.Color, line.Width, line.Dashes = t.Ours, vg.Points(2.6), dashes[n%len(dashes)]
	case Floor:
		line.Color, line.Width, line.Dashes = t.Text, vg.Points(0.8), dashes[n%len(dashes)]
	case OptIn:
		line.Color, line.Dashes = t.Series[n%len(t.Series)], dashes[1]
	default:
		line.Color = t.Series[n%len(t.Series)]
	}
	dots.GlyphStyle = draw.GlyphStyle{Color: line.Color, Radius: vg.Points(2.5), Shape: draw.CircleGlyph{}}
}

// ticks are at the chart's points and nowhere else.
func (c chart) ticks() plot.Ticker {
	return plot.TickerFunc(func(float64, float64) []plot.Tick {
		var ticks []plot.Tick
		for _, at := range c.points {
			ticks = append(ticks, plot.Tick{Value: float64(c.x(at)), Label: fmt.Sprint(c.x(at))})
		}
		return ticks
	})
}
