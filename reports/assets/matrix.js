// The comparison of candidates needs no more than its theme.
"use strict";
Report.theme.wire();
document.documentElement.dataset.ready = "yes";
