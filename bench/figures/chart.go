package figures

import (
	"bytes"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A Theme is the colours of a chart.
type Theme struct {
	Name                   string // "light" or "dark", in the name of a file
	Back, Text, Grid, Ours color.Color
	Series                 []color.Color
}

// The series are told apart by people with any colour vision too (Okabe and
// Ito), less black and yellow, which one of the two backgrounds swallows.
var series = []color.Color{
	color.RGBA{0x00, 0x9e, 0x73, 0xff}, color.RGBA{0x56, 0xb4, 0xe9, 0xff}, color.RGBA{0xe6, 0x9f, 0x00, 0xff},
	color.RGBA{0xcc, 0x79, 0xa7, 0xff}, color.RGBA{0x00, 0x72, 0xb2, 0xff},
}

// Themes are all: what is drawn in one is drawn in each.
var Themes = []Theme{
	{"light", color.RGBA{0xff, 0xff, 0xff, 0xff}, color.RGBA{0x1f, 0x23, 0x28, 0xff}, color.RGBA{0xd8, 0xde, 0xe4, 0xff},
		color.RGBA{0xd5, 0x5e, 0x00, 0xff}, series},
	{"dark", color.RGBA{0x0d, 0x11, 0x17, 0xff}, color.RGBA{0xe6, 0xed, 0xf3, 0xff}, color.RGBA{0x30, 0x36, 0x3d, 0xff},
		color.RGBA{0xff, 0x8c, 0x42, 0xff}, series},
}

// SVG is a picture of the plot, 860 by 480 points.
func SVG(p *plot.Plot, t Theme) ([]byte, error) {
	canvas := vgsvg.New(vg.Points(860), vg.Points(480))
	page := draw.New(canvas)
	page.SetColor(t.Back)
	page.Fill(page.Rectangle.Path())
	p.Draw(draw.Crop(page, 8, -36, 8, -10)) // the last tick's text needs room at the right
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return nil, err
	}
	// The library names the font that it measures with and nothing else; whoever
	// has not got it should not see a serif.
	return bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;")), nil
}

// NewPlot is an empty plot in the colours of the theme.
func NewPlot(t Theme) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = t.Back
	sans := font.Font{Typeface: "Liberation", Variant: "Sans", Size: 11}
	p.Legend.TextStyle.Color, p.Legend.TextStyle.Font = t.Text, sans
	p.Legend.Top, p.Legend.XOffs = true, -6
	p.Legend.Padding = vg.Points(3)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Color = t.Text
		axis.Label.TextStyle.Color = t.Text
		axis.Tick.Color = t.Text
		axis.Tick.Label.Color = t.Text
		axis.Tick.Label.Font, axis.Label.TextStyle.Font = sans, sans
	}
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = t.Grid, t.Grid
	p.Add(grid)
	return p
}

// Decades are ticks at powers of ten, with their text, and small ones between.
func Decades(text func(float64) string) plot.Ticker {
	return plot.TickerFunc(func(low, high float64) []plot.Tick {
		var ticks []plot.Tick
		for d := math.Floor(math.Log10(low)); d <= math.Ceil(math.Log10(high)); d++ {
			at := math.Pow(10, d)
			ticks = append(ticks, plot.Tick{Value: at, Label: text(at)})
			for i := 2.0; i < 10; i++ {
				ticks = append(ticks, plot.Tick{Value: i * at})
			}
		}
		return ticks
	})
}
