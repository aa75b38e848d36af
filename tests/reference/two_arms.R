# Reference values for two arms: Mantel-Haenszel's variants, Peto, exact conditional odds ratios,
# and the binomial-normal models. Writes two_arms.json. Run from this folder: Rscript two_arms.R
# Needs metafor, metadat, lme4, jsonlite, and BiasedUrn for model = "CM.EL".
suppressPackageStartupMessages({
  library(metafor)
  library(metadat)
  library(jsonlite)
})
number <- function(x) I(ifelse(is.finite(x), as.numeric(x), NA))
one <- function(x) if (length(x) == 1 && is.finite(x)) as.numeric(x) else NA

# Tables: events and totals of the treated and of the control arm ------------------------------
columns <- function(a, n1, c, n2) {
  x <- data.frame(events = a, total = n1, control_events = c, control_total = n2)
  x[rowSums(is.na(x)) == 0, ]
}
yusuf <- dat.yusuf1985
tables <- list(
  bcg = with(dat.bcg, columns(tpos, tpos + tneg, cpos, cpos + cneg)),
  nielweise2007 = with(dat.nielweise2007, columns(ai, n1i, ci, n2i)),
  yusuf1985 = with(yusuf[yusuf$table == "6", ], columns(ai, n1i, ci, n2i)),
  collins1985a = with(dat.collins1985a, columns(b.xti, nti, b.xci, nci)),
  hine1989 = with(dat.hine1989, columns(ai, n1i, ci, n2i)),
  li2007 = with(dat.li2007, columns(ai, n1i, ci, n2i)),
  linde2005 = with(dat.linde2005, columns(ai, n1i, ci, n2i)),
  homogeneous = columns(c(5, 10, 8, 3), c(50, 90, 80, 40), c(8, 15, 13, 5), c(50, 88, 82, 41))
)
args_of <- function(x, measure, ...) {
  list(measure = measure, ai = x$events, n1i = x$total, ci = x$control_events,
       n2i = x$control_total, ...)
}
quiet <- function(call) suppressWarnings(suppressMessages(call))

# Binomial-normal models -------------------------------------------------------------------------
# glmer and nlminb stop early by default: the tightest tolerance with which R reports convergence.
controls <- list(
  UM.FS = function(tolerance) list(
    glmerCtrl = list(optimizer = "bobyqa", tolPwrss = tolerance,
                     optCtrl = list(rhobeg = 0.2, rhoend = tolerance, maxfun = 100000))),
  CM.EL = function(tolerance) list(
    optCtrl = list(rel.tol = tolerance, x.tol = tolerance, iter.max = 1000),
    intCtrl = list(rel.tol = 1e-10, subdivisions = 1000L))
)
fitted_tightly <- function(x, model, method) {
  for (tolerance in 10^-(12:7)) {
    r <- tryCatch(quiet(do.call(rma.glmm, args_of(x, "OR", model = model, method = method,
                                                  control = controls[[model]](tolerance)))),
                  error = function(e) NULL)
    if (!is.null(r)) return(list(fit = r, tolerance = tolerance))
  }
  stop("no convergence")
}
# Where tau2 is 0, CM.EL runs towards ln(tau2) = -Inf and ends nowhere: common effects alone.
glmm_tables <- list(
  UM.FS = list(EE = names(tables), ML = names(tables)),
  CM.EL = list(EE = c("bcg", "nielweise2007", "hine1989", "homogeneous"),
               ML = c("bcg", "nielweise2007", "collins1985a", "linde2005"))
)
glmm_case <- function(name, model, method) {
  x <- tables[[name]]
  found <- fitted_tightly(x, model, method)
  r <- found$fit
  list(table = name, model = model, method = method, tolerance = found$tolerance, k = r$k, estimate = one(r$beta), se = one(r$se),
       ci_low = one(r$ci.lb), ci_high = one(r$ci.ub), tau2 = one(r$tau2), i2 = one(r$I2) / 100,
       log_likelihood = one(r$fit.stats["ll", "ML"]), wald_q = one(r$QE.Wld),
       likelihood_ratio_q = one(r$QE.LRT), q_df = one(r$QE.df))
}
glmm <- list()
for (model in names(glmm_tables)) for (method in c("EE", "ML")) for (name in glmm_tables[[model]][[method]]) {
  started <- Sys.time()
  found <- tryCatch(glmm_case(name, model, method), error = function(e) {
    message(model, " ", name, " ", method, ": ", conditionMessage(e))
    NULL
  })
  message(model, " ", name, " ", method, " ", round(as.numeric(Sys.time() - started, units = "secs"), 1), " s")
  if (!is.null(found)) glmm[[length(glmm) + 1]] <- found
}

# Peto -----------------------------------------------------------------------------------------
peto_case <- function(name) {
  x <- tables[[name]]
  r <- quiet(rma.peto(ai = x$events, n1i = x$total, ci = x$control_events, n2i = x$control_total))
  # The studies' own effects as they are: Peto's need no correction.
  e <- quiet(do.call(escalc, args_of(x, "PETO", add = 0, to = "none", drop00 = FALSE)))
  list(table = name, estimate = one(r$beta), se = one(r$se), ci_low = one(r$ci.lb),
       ci_high = one(r$ci.ub), p_value = one(r$pval), q = one(r$QE), q_p = one(r$QEp),
       k = one(r$k), yi = number(e$yi), vi = number(e$vi))
}
peto <- lapply(names(tables), peto_case)

# Mantel-Haenszel with corrections, and DerSimonian and Laird's tau2 about its mean ---------------
mh_names <- c(risk_ratio = "RR", odds_ratio = "OR", risk_difference = "RD")
rules <- c(only_affected = "only0", all = "all", if_any_affected = "if0all", none = "none")
mh_case <- function(name, measure, to) {
  x <- tables[[name]]
  drop <- measure != "risk_difference"
  r <- quiet(do.call(rma.mh, args_of(x, mh_names[[measure]], add = c(0.5, 0.5),
                                     to = c("only0", rules[[to]]), drop00 = c(drop, drop),
                                     correct = FALSE)))
  list(table = name, measure = measure, to = to, estimate = one(r$beta), se = one(r$se))
}
mh_grid <- expand.grid(name = c("bcg", "nielweise2007", "yusuf1985", "li2007"),
                       measure = names(mh_names), to = names(rules), stringsAsFactors = FALSE)
mantel_haenszel <- unname(Map(mh_case, mh_grid$name, mh_grid$measure, mh_grid$to))
about_case <- function(name, measure) {
  x <- tables[[name]]
  drop <- measure != "risk_difference"
  r <- quiet(do.call(rma.mh, args_of(x, mh_names[[measure]], add = c(0.5, 0), to = c("only0", "none"),
                                     drop00 = c(drop, drop), correct = FALSE)))
  used <- !is.na(r$yi.f) & !is.na(r$vi.f)
  y <- r$yi.f[used]
  v <- r$vi.f[used]
  w <- 1 / v
  # DerSimonian and Laird 1986, with Q about Mantel and Haenszel's mean.
  tau2 <- max(0, (r$QE - (length(y) - 1)) / (sum(w) - sum(w^2) / sum(w)))
  s <- rma(y, v, tau2 = tau2)
  list(table = name, measure = measure, common = one(r$beta), q = one(r$QE), q_p = one(r$QEp),
       tau2 = tau2, random = one(s$beta), random_se = one(s$se))
}
about_grid <- expand.grid(name = c("bcg", "nielweise2007", "yusuf1985", "li2007"),
                          measure = names(mh_names), stringsAsFactors = FALSE)
about <- unname(Map(about_case, about_grid$name, about_grid$measure))

# The exact conditional odds ratio of strata -----------------------------------------------------
exact_case <- function(name) {
  x <- tables[[name]]
  x <- x[x$events + x$control_events > 0, ]
  cells <- with(x, rbind(events, total - events, control_events, control_total - control_events))
  r <- mantelhaen.test(array(cells, c(2, 2, nrow(x))), exact = TRUE)
  list(table = name, estimate = one(r$estimate), ci_low = r$conf.int[1], ci_high = one(r$conf.int[2]))
}
exact <- lapply(c("nielweise2007", "yusuf1985", "homogeneous"), exact_case)

versions <- list(R = R.version.string, metafor = as.character(packageVersion("metafor")),
                 metadat = as.character(packageVersion("metadat")),
                 lme4 = as.character(packageVersion("lme4")),
                 BiasedUrn = as.character(packageVersion("BiasedUrn")))
calls <- list(
  glmm = "rma.glmm(measure = 'OR', model, method, control) with the controls of this script",
  peto = "rma.peto(); escalc('PETO', add = 0, to = 'none')",
  mantel_haenszel = "rma.mh(add = c(0.5, 0.5), to = c('only0', to), drop00, correct = FALSE)",
  about = "rma.mh(add = c(0.5, 0)); rma(tau2 = DerSimonian and Laird's from its QE)",
  exact = "mantelhaen.test(exact = TRUE)")
write_json(list(versions = versions, calls = calls, tables = lapply(tables, as.list), glmm = glmm,
                peto = peto, mantel_haenszel = mantel_haenszel, about = about, exact = exact),
           "two_arms.json", digits = I(17), auto_unbox = TRUE, na = "null", null = "null")
