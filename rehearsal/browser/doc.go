// Package browser looks at a page as a browser does: what does not fit at a
// width, and whether its colours can be read. It starts Chromium without a
// screen and without a network; it judges no words. It serves tests only.
package browser
