# The script that a statistician would write: one process that pools, tests and draws what
# Forestry does, by metafor and base graphics.
#
#   Rscript peer.R plan.json effects/ figures/     the whole review; its main results are
#                                                  left in figures/pools.json, to be compared
#   Rscript peer.R plan.json effects/              one fit of each kind, timed in process
#
# plan.json says of each outcome how it is pooled, whom each variant leaves out and which
# figures there are (benchmarks/run.py writes it from the declaration). The studies' effects
# are read as Forestry wrote them, to the script's favour: it need not transform a thing.
suppressMessages({
  library(metafor)
  library(jsonlite)
})

arguments <- commandArgs(trailingOnly = TRUE)
plan <- fromJSON(arguments[1], simplifyVector = FALSE)
quietly <- function(expression) suppressWarnings(tryCatch(expression, error = function(e) NULL))

studies_of <- function(outcome) {
  rows <- read.csv(file.path(arguments[2], paste0(outcome, ".csv")))
  rows[rows$usable == "true", ]
}
tau2_of <- function(pooling) if (is.null(pooling$tau2)) "REML" else pooling$tau2
is_mixed <- function(pooling) pooling$model == "logistic_mixed"

# Pooling ----------------------------------------------------------------------------------------
iv <- function(d, method) rma(yi = d$yi, vi = d$vi, method = method)
pooled <- function(d, pooling) {
  if (nrow(d) < 2) return(NULL)
  if (is_mixed(pooling)) {
    fits <- list(
      common = quietly(rma.glmm(measure = "PLO", xi = d$events, ni = d$total, method = "EE")),
      random = quietly(rma.glmm(measure = "PLO", xi = d$events, ni = d$total, method = "ML"))
    )
  } else {
    fits <- list(common = quietly(iv(d, "EE")), random = quietly(iv(d, tau2_of(pooling))))
    if (!is.null(fits$random)) fits$limits <- quietly(confint(fits$random))
  }
  if (!is.null(fits$random)) fits$prediction <- quietly(predict(fits$random))
  fits
}
without_outliers <- function(d, pooling) {
  if (nrow(d) < 3) return(d)
  residual <- quietly(rstudent(iv(d, tau2_of(pooling)))$z)
  if (is.null(residual)) d else d[is.na(residual) | abs(residual) <= 1.96, ]
}
variant_of <- function(d, pooling, variant) {
  d <- d[!d$study_id %in% unlist(variant$excluded), ]
  if (isTRUE(variant$outliers)) without_outliers(d, pooling) else d
}

# What bears on a result -------------------------------------------------------------------------
tested <- function(d, pooling) {
  if (nrow(d) < 3) return(NULL)
  fit <- quietly(iv(d, tau2_of(pooling)))
  if (is.null(fit)) return(NULL)
  sizes <- if (all(is.na(d$total))) d$n else d$total
  list(
    egger = quietly(regtest(fit, model = "lm")),
    begg = quietly(ranktest(fit)),
    peters = quietly(regtest(d$yi, d$vi, ni = sizes, predictor = "ninv", model = "lm")),
    filled = quietly(trimfill(fit))
  )
}
of_outcome <- function(outcome) {
  d <- studies_of(outcome$id)
  variants <- lapply(outcome$variants, function(variant) {
    kept <- variant_of(d, outcome$pooling, variant)
    if (isTRUE(variant$leave_one_out)) {
      return(lapply(seq_len(nrow(kept)), function(i) pooled(kept[-i, ], outcome$pooling)))
    }
    list(fits = pooled(kept, outcome$pooling), tests = tested(kept, outcome$pooling))
  })
  fit <- if (nrow(d) > 1) quietly(iv(d, tau2_of(outcome$pooling)))
  list(variants = variants, influence = if (!is.null(fit)) quietly(influence(fit)))
}
step_of <- function(step) {
  d <- studies_of(step$outcome)
  d$group <- vapply(d$study_id, function(id) {
    group <- step$groups[[id]]
    if (is.null(group)) NA_character_ else group
  }, "")
  d <- d[!is.na(d$group), ]
  groups <- lapply(split(d, d$group), pooled, pooling = step$pooling)
  between <- quietly(rma(yi = d$yi, vi = d$vi, mods = ~ group, data = d))
  list(data = d, groups = groups, between = between)
}
regression_of <- function(model) {
  d <- studies_of(model$outcome)
  value <- lapply(d$study_id, function(id) model$values[[id]])
  d <- d[!vapply(value, is.null, TRUE), ]
  d$moderator <- unlist(value)
  quietly(rma(yi = d$yi, vi = d$vi, mods = ~ moderator, data = d, test = "knha"))
}

# Figures ----------------------------------------------------------------------------------------
drawn <- function(figure, height, draw) {
  pdf(file.path(arguments[3], paste0(figure, ".pdf")), width = 174 / 25.4, height = height)
  quietly(draw())
  invisible(dev.off())
}
draw_figure <- function(figure, outcomes, steps) {
  if (figure$kind == "prisma_flow") {
    return(drawn(figure$figure, 6, function() {
      plot.new()
      rect(0.2, c(0.1, 0.4, 0.7), 0.8, c(0.3, 0.6, 0.9))
      text(0.5, c(0.2, 0.5, 0.8), unlist(figure$counts))
    }))
  }
  if (figure$kind == "subgroup_forest") {
    d <- steps[[figure$variant]]$data
    return(drawn(figure$figure, 2 + nrow(d) / 5, function() {
      d <- d[order(d$group), ]
      forest(d$yi, d$vi, slab = d$study_id, ilab = d$group, header = TRUE)
      for (fits in steps[[figure$variant]]$groups) addpoly(fits$random)
    }))
  }
  outcome <- Filter(function(o) o$id == figure$outcome, plan$outcomes)[[1]]
  kept <- variant_of(studies_of(outcome$id), outcome$pooling, outcome$variants[[figure$variant]])
  fits <- outcomes[[outcome$id]]$variants[[figure$variant]]$fits
  drawn(figure$figure, 2 + nrow(kept) / 5, function() {
    if (figure$kind == "forest") {
      forest(kept$yi, kept$vi, slab = kept$study_id, header = TRUE,
             ilab = if (all(is.na(kept$total))) kept$n else cbind(kept$events, kept$total))
      addpoly(fits$random)
    } else {
      funnel(if (is_mixed(outcome$pooling)) iv(kept, "DL") else fits$random)
    }
  })
}

# ------------------------------------------------------------------------------------------------
if (length(arguments) == 3) {
  outcomes <- setNames(lapply(plan$outcomes, of_outcome), vapply(plan$outcomes, `[[`, "", "id"))
  steps <- setNames(lapply(plan$steps, step_of), vapply(plan$steps, `[[`, "", "name"))
  regressions <- lapply(plan$regressions, regression_of)
  for (figure in plan$figures) draw_figure(figure, outcomes, steps)
  main <- lapply(outcomes, function(outcome) c(outcome$variants$main$fits$random$beta))
  write_json(Filter(length, main), file.path(arguments[3], "pools.json"),
             digits = NA, auto_unbox = TRUE)
} else {
  seconds <- function(expression, times) {
    code <- substitute(expression)
    here <- parent.frame()
    eval(code, here)
    system.time(for (i in seq_len(times)) eval(code, here))[["elapsed"]] / times
  }
  d <- studies_of(plan$fitted)
  mixed <- rma.glmm(measure = "PLO", xi = d$events, ni = d$total, method = "ML")
  reml <- rma(yi = d$yi, vi = d$vi, method = "REML")
  cat(toJSON(list(
    mixed = seconds(rma.glmm(measure = "PLO", xi = d$events, ni = d$total, method = "ML"), 25),
    reml = seconds(rma(yi = d$yi, vi = d$vi, method = "REML"), 100),
    mixed_estimate = c(mixed$beta), mixed_tau2 = mixed$tau2,
    reml_estimate = c(reml$beta), reml_tau2 = reml$tau2,
    version = paste("R", getRversion(), "metafor", packageVersion("metafor"))
  ), digits = NA, auto_unbox = TRUE))
}
