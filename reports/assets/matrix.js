// The comparison of candidates: only the theme is interactive.
"use strict";
Report.theme.connect();
document.documentElement.dataset.ready = "yes";
