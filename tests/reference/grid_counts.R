# The reference grid of two-arm counts and mixed models: Mantel-Haenszel, Peto, rma.glmm.
# Writes grid_counts.json. Run from this folder: Rscript grid_counts.R (needs metafor, lme4).
source("grid_data.R")

# Mantel-Haenszel, Peto ---------------------------------------------------------------------------
pooled <- function(x) list(estimate = x$beta[1], se = x$se, ci_low = x$ci.lb, ci_high = x$ci.ub,
                           p_value = x$pval, q = x$QE, q_p = x$QEp)
mantel_haenszel_of <- function(name, measure, add) {
  x <- suppressWarnings(rma.mh(ai = events, n1i = total, ci = control_events, n2i = control_total,
                               data = two_arms[[name]], measure = measures$two_arms[[measure]],
                               add = c(0.5, add), to = c("only0", "only0"),
                               drop00 = rep(measure != "risk_difference", 2), correct = FALSE))
  c(list(dataset = name, measure = measure, add = add), pooled(x))
}
grid <- expand.grid(dataset = names(two_arms), measure = names(measures$two_arms)[1:3],
                    add = c(0, 0.5), stringsAsFactors = FALSE)
mantel_haenszel <- unname(Map(mantel_haenszel_of, grid$dataset, grid$measure, grid$add))
peto <- lapply(names(two_arms), function(name) {
  x <- suppressWarnings(rma.peto(ai = events, n1i = total, ci = control_events,
                                 n2i = control_total, data = two_arms[[name]], drop00 = TRUE))
  c(list(dataset = name), pooled(x))
})

# Mixed models of counts --------------------------------------------------------------------------
# By default rma.glmm stops some 1e-5 short in tau2, so its search and lme4's for the modes below it
# are tightened; what is left is lme4's rounding, and the step of the Hessian behind `se` (1e-6).
# The Wald and likelihood ratio Q are in closed form: rma.glmm's go through a saturated fit.
tight_glmm <- list(glmerCtrl = list(optimizer = "bobyqa", tolPwrss = 1e-10,
                                    optCtrl = list(rhobeg = 0.02, rhoend = 1e-10, maxfun = 1e5)))
glmm <- function(d, control) suppressWarnings(suppressMessages(
  rma.glmm(measure = "PLO", xi = events, ni = total, data = d, nAGQ = 7, control = control)))
logistic_mixed <- lapply(names(one_arm), function(name) {
  d <- one_arm[[name]]
  x <- glmm(d, tight_glmm)
  inside <- subset(d, events > 0 & events < total)
  wald <- rma(measure = "PLO", xi = events, ni = total, data = inside, method = "EE")$QE
  ratio <- 2 * with(d, sum(dbinom(events, total, events / total, log = TRUE)) -
                         sum(dbinom(events, total, sum(events) / sum(total), log = TRUE)))
  list(dataset = name, estimate = x$beta[1], se = x$se, ci_low = x$ci.lb, ci_high = x$ci.ub,
       tau2 = x$tau2, default_tau2 = glmm(d, list())$tau2, i2 = x$I2 / 100, q_df = x$QE.df,
       wald_q = wald, wald_p = pchisq(wald, x$QE.df, lower.tail = FALSE),
       likelihood_ratio_q = ratio, likelihood_ratio_p = pchisq(ratio, x$QE.df, lower.tail = FALSE))
})

made_by <- c(versions, list(
  mantel_haenszel = "rma.mh(add = c(0.5, add), to = 'only0', drop00 = c(d, d), correct = FALSE)",
  peto = "rma.peto(drop00 = TRUE)",
  logistic_mixed = paste("rma.glmm(measure = 'PLO', nAGQ = 7, control = list(glmerCtrl = list(",
                         "optimizer = 'bobyqa', tolPwrss = 1e-10, optCtrl = list(rhobeg = 0.02,",
                         "rhoend = 1e-10)))); Wald: rma(measure = 'PLO', method = 'EE')$QE;",
                         "likelihood ratio: dbinom()")))
write_sections(list(made_by = made_by, mantel_haenszel = mantel_haenszel, peto = peto,
                    logistic_mixed = logistic_mixed), "grid_counts.json")
