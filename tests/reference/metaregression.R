# Reference values for test_metaregression.py, from metafor's rma(mods = ).
#
#   Rscript tests/reference/metaregression.R tests/reference/metaregression.json

suppressMessages(library(metafor))
suppressMessages(library(metadat))

number <- function(x) ifelse(is.na(x), "null", sprintf("%.17g", x))
text <- function(x) paste0('"', gsub('"', '\\\\"', x), '"')
array <- function(x) paste0("[", paste(x, collapse = ", "), "]")
json <- function(x, indent = "") {
  if (is.list(x)) {
    deeper <- paste0(indent, " ")
    items <- vapply(x, json, "", indent = deeper)
    named <- !is.null(names(x))
    if (named) items <- paste0(text(names(x)), ": ", items)
    ends <- if (named) c("{", "}") else c("[", "]")
    return(paste0(ends[1], "\n", deeper, paste(items, collapse = paste0(",\n", deeper)), "\n", indent, ends[2]))
  }
  cells <- if (is.character(x)) text(x) else number(as.numeric(x))
  if (length(x) == 1 && is.null(attr(x, "array"))) cells else array(cells)
}
many <- function(x) structure(if (is.factor(x)) as.character(x) else x, array = TRUE)

# Data: a named list of moderators, continuous ones numbers and categorical ones texts. --------

bcg <- escalc("RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
writing <- na.omit(dat.bangertdrowns2004[c("yi", "vi", "length", "grade", "wic", "imag", "meta")])
teachers <- dat.raudenbush1985
smoke <- dat.hackshaw1998

# Years from a near one: as they are they cost metafor's normal equations six digits.
bcg$year <- bcg$year - 1948
smoke$year <- smoke$year - 1990

case <- function(data, moderators, reference = list())
  list(yi = many(as.numeric(data$yi)), vi = many(as.numeric(data$vi)),
       moderators = lapply(moderators, many), reference = reference)
cases <- list(
  bcg_ablat = case(bcg, list(ablat = bcg$ablat)),
  bcg_ablat_year = case(bcg, list(ablat = bcg$ablat, year = bcg$year)),
  bcg_alloc = case(bcg, list(alloc = bcg$alloc), list(alloc = "alternate")),
  bcg_alloc_random = case(bcg, list(alloc = bcg$alloc), list(alloc = "random")),
  bcg_alloc_ablat = case(bcg, list(alloc = bcg$alloc, ablat = bcg$ablat), list(alloc = "alternate")),
  writing = case(writing, list(length = writing$length, wic = writing$wic, meta = writing$meta)),
  teachers_weeks = case(teachers, list(weeks = teachers$weeks)),
  teachers_weeks_to_three = case(teachers, list(weeks = pmin(teachers$weeks, 3))),
  teachers_setting = case(teachers, list(setting = teachers$setting), list(setting = "group")),
  smoke_design = case(smoke, list(design = smoke$design, year = smoke$year), list(design = "case-control")))

# Fits -------------------------------------------------------------------------------------

fit_of <- function(name, method, test) {
  data <- cases[[name]]
  frame <- as.data.frame(data$moderators, stringsAsFactors = TRUE)
  for (column in names(data$reference)) frame[[column]] <- relevel(frame[[column]], data$reference[[column]])
  # The default stopping rule is absolute and ends early; this one follows the data's scale.
  control <- if (method %in% c("REML", "ML")) list(threshold = 1e-13 * var(data$yi), maxiter = 100000) else
    if (method == "PM") list(tol = 1e-15, maxiter = 100000) else list()
  fit <- rma(as.numeric(data$yi), as.numeric(data$vi), mods = ~ ., data = frame, method = method,
             test = test, control = control)
  list(data = name, method = method, test = test, k = fit$k, p = fit$p,
       estimate = many(fit$beta[, 1]), se = many(fit$se), statistic = many(fit$zval),
       p_value = many(fit$pval), ci_low = many(fit$ci.lb), ci_high = many(fit$ci.ub),
       covariance = many(as.vector(fit$vb)),
       tau2 = fit$tau2, tau2_se = fit$se.tau2, qm = fit$QM, qm_df = fit$QMdf[1],
       qm_df2 = if (test == "z") NA else fit$QMdf[2], qm_p = fit$QMp,
       qe = fit$QE, qe_p = fit$QEp, i2 = fit$I2 / 100, h2 = fit$H2,
       r2 = if (is.null(fit$R2)) NA else fit$R2 / 100,
       # R2 from a fit of its own, as rma() makes that of its R2 with the default stopping rule.
       tau2_total = rma(as.numeric(data$yi), as.numeric(data$vi), method = method, control = control)$tau2)
}
combinations <- expand.grid(test = c("z", "t", "knha", "adhoc"), method = c("DL", "PM", "ML", "REML"),
                            data = names(cases), stringsAsFactors = FALSE)
fits <- with(combinations, mapply(fit_of, data, method, test, SIMPLIFY = FALSE, USE.NAMES = FALSE))

# One moderator's levels among others: anova(btt = ) of the same fit.
joint <- rma(yi, vi, mods = ~ alloc + ablat, data = bcg, method = "REML",
             control = list(threshold = 1e-14, maxiter = 100000))
levels_test <- anova(joint, btt = 2:3)

reference <- list(
  versions = list(R = as.character(getRversion()), metafor = as.character(packageVersion("metafor")),
                  metadat = as.character(packageVersion("metadat"))),
  calls = list(fits = "rma(yi, vi, mods = ~ ., data = moderators, method, test)",
               alloc_given_ablat = "anova(rma(yi, vi, mods = ~ alloc + ablat), btt = 2:3)"),
  cases = cases, fits = fits,
  alloc_given_ablat = list(statistic = levels_test$QM, df = levels_test$QMdf[1], p_value = levels_test$QMp))
writeLines(json(reference), commandArgs(trailingOnly = TRUE)[1])
