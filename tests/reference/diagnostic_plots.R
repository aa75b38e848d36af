# Reference values for test_diagnostic_plots.py and test_funnel.py, from metafor.
#
#   Rscript tests/reference/diagnostic_plots.R tests/reference/diagnostic_plots.json

suppressMessages(library(metafor))
suppressMessages(library(metadat))

number <- function(x) ifelse(is.na(x), "null", sprintf("%.17g", x))
text <- function(x) paste0('"', gsub('"', '\\\\"', x), '"')
array <- function(x) paste0("[", paste(x, collapse = ", "), "]")
json <- function(x, indent = "") {
  if (is.list(x)) {
    deeper <- paste0(indent, " ")
    items <- paste0(text(names(x)), ": ", vapply(x, json, "", indent = deeper))
    return(paste0("{\n", deeper, paste(items, collapse = paste0(",\n", deeper)), "\n", indent, "}"))
  }
  cells <- if (is.character(x)) text(x) else number(as.numeric(x))
  if (length(x) == 1) cells else array(cells)
}

bcg <- escalc("RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)

# plot = FALSE is not an argument of 3.8: the points are what baujat() returns invisibly.
pdf(NULL)
points <- baujat(rma(yi, vi, data = bcg, method = "EE"), symbol = 19)
dev.off()

tight <- list(threshold = 1e-13, maxiter = 1000)
latitudes <- c(0, 13, 33.46, 55, 90)
line <- function(test) {
  fit <- rma(yi, vi, mods = ~ablat, data = bcg, method = "REML", test = test, control = tight)
  found <- predict(fit, newmods = latitudes)
  list(estimate = found$pred, ci_low = found$ci.lb, ci_high = found$ci.ub)
}
groups <- rma(yi, vi, mods = ~ relevel(factor(alloc), "random"), data = bcg, control = tight)
means <- predict(groups, newmods = rbind(c(0, 0), c(1, 0), c(0, 1)))

result <- list(
  versions = list(
    R = paste(R.version$major, R.version$minor, sep = "."),
    metafor = as.character(packageVersion("metafor")),
    metadat = as.character(packageVersion("metadat"))
  ),
  calls = list(
    baujat = "baujat(rma(yi, vi, data = bcg, method = 'EE'))",
    line = "predict(rma(yi, vi, mods = ~ablat, method = 'REML', test), newmods = latitudes)",
    groups = "predict(rma(yi, vi, mods = ~alloc)) with random as the reference"
  ),
  bcg = list(
    yi = bcg$yi, vi = bcg$vi, latitude = bcg$ablat, allocation = bcg$alloc
  ),
  baujat = list(contribution = points$x, influence = points$y),
  latitudes = latitudes,
  line = list(wald = line("z"), t = line("t"), hartung_knapp = line("knha")),
  groups = list(
    levels = c("random", "alternate", "systematic"),
    estimate = means$pred, ci_low = means$ci.lb, ci_high = means$ci.ub
  )
)
writeLines(json(result), commandArgs(trailingOnly = TRUE)[1])
