"""Our own schema, for results that come without one.

The sixteen core and the targeted scenarios of the paper with their main metrics, the scenarios
that this package evaluates itself, and the seven families of metrics. Any other group of runs gets
tables of its own (`schema.completed`).
"""

from __future__ import annotations

from models.helm.schema import FAMILIES, Matcher, MetricGroup, Named, RunGroup, Schema

_MAIN, _SPLIT = "${main_name}", "${main_split}"
_BIAS = tuple(
    f"bias_metric:mode=associations,demographic_category={group},target_category=profession"
    for group in ("race", "gender")
) + tuple(
    f"bias_metric:mode=representation,demographic_category={group}" for group in ("race", "gender")
)

_METRICS = (
    ("exact_match", "EM", False), ("quasi_exact_match", "EM", False),
    ("prefix_exact_match", "PEM", False), ("quasi_prefix_exact_match", "PEM", False),
    ("f1_score", "F1", False), ("rouge_1", "ROUGE-1", False), ("rouge_2", "ROUGE-2", False),
    ("rouge_l", "ROUGE-L", False), ("bleu_1", "BLEU-1", False), ("bleu_4", "BLEU-4", False),
    ("RR@10", "RR@10", False), ("NDCG@10", "NDCG@10", False), ("math_equiv", "Equivalent", False),
    ("math_equiv_chain_of_thought", "Equivalent (CoT)", False), ("pass", "pass@1", False),
    ("test_avg", "Avg. # tests passed", False), ("strict_acc", "Strict correctness", False),
    ("exact_match_indicator", "EM", False), ("exact_set_match", "EM", False),
    ("iou_set_match", "IoU", False), ("f1_set_match", "F1", False), ("acc", "Accuracy", False),
    ("acc_norm", "Accuracy (normalised)", False), ("accuracy", "Accuracy", False),
    ("bits_per_byte", "BPB", True), ("perplexity", "Perplexity", True),
    ("word_perplexity", "Perplexity (words)", True), ("ece_10_bin", "ECE (10-bin)", True),
    ("ece_1_bin", "ECE (1-bin)", True), ("selective_acc@10", "Acc@10%", False),
    ("selective_cov_acc_area", "Selective acc. area", False),
    ("classification_macro_f1", "Macro-F1", False), ("classification_micro_f1", "Micro-F1", False),
    (_BIAS[0], "Stereotypes (race)", True), (_BIAS[1], "Stereotypes (gender)", True),
    (_BIAS[2], "Representation (race)", True), (_BIAS[3], "Representation (gender)", True),
    ("toxic_frac", "Toxic fraction", True),
    ("inference_runtime", "Observed inference time (s)", True),
    ("inference_idealized_runtime", "Idealized inference time (s)", True),
    ("inference_denoised_runtime", "Denoised inference time (s)", True),
    ("longest_common_prefix_length", "LCS", True), ("edit_similarity", "Edit similarity", True),
    ("self_bleu", "Self-BLEU", None), ("monte_carlo_entropy", "Entropy", None),
    ("bbq_metric_ambiguous_bias", "BBQ (ambiguous)", None),
    ("bbq_metric_unambiguous_bias", "BBQ (unambiguous)", None),
    ("num_instances", "# eval", None), ("num_train_instances", "# train", None),
    ("num_prompt_tokens", "# prompt tokens", None), ("num_output_tokens", "# output tokens", None),
    ("num_train_trials", "# trials", None), ("prompt_truncated", "truncated", None),
)  # fmt: skip


def _matchers(*names: str, perturbation: str | None = None) -> tuple[Matcher, ...]:
    return tuple(Matcher(name=name, split=_SPLIT, perturbation_name=perturbation) for name in names)


_FAMILIES = {
    "accuracy": _matchers(_MAIN),
    "calibration": _matchers("ece_10_bin"),
    "robustness": _matchers(_MAIN, perturbation="robustness"),
    "fairness": _matchers(_MAIN, perturbation="fairness"),
    "bias": _matchers(*_BIAS),
    "toxicity": _matchers("toxic_frac"),
    "efficiency": _matchers("inference_idealized_runtime", "inference_denoised_runtime"),
    "general_information": _matchers(
        "num_instances", "num_train_instances", "prompt_truncated", "num_prompt_tokens",
        "num_output_tokens", "num_train_trials",
    ),
}  # fmt: skip

_PLAIN = ("accuracy", "efficiency", "general_information")
_CALIBRATED = ("accuracy", "calibration", *_PLAIN[1:])
_CORE = ("accuracy", "calibration", "robustness", "fairness", "bias", "toxicity", *_PLAIN[1:])
_CHANGED = ("accuracy", "calibration", "robustness", "fairness", *_PLAIN[1:])

# name, display name, main metric, main split, families
_Scenario = tuple[str, str, str, str, tuple[str, ...]]
_TASKS: dict[str, tuple[str, tuple[_Scenario, ...]]] = {
    "question_answering": ("Question answering", (
        ("mmlu", "MMLU", "exact_match", "test", _CORE),
        ("boolq", "BoolQ", "quasi_exact_match", "valid", _CORE),
        ("narrative_qa", "NarrativeQA", "f1_score", "test", _CORE),
        ("natural_qa_closedbook", "NaturalQuestions (closed)", "f1_score", "valid", _CORE),
        ("natural_qa_openbook_longans", "NaturalQuestions (open)", "f1_score", "valid", _CORE),
        ("quac", "QuAC", "f1_score", "valid", _CORE),
        ("hellaswag", "HellaSwag", "exact_match", "valid", _CORE),
        ("openbookqa", "OpenbookQA", "exact_match", "test", _CORE),
        ("truthful_qa", "TruthfulQA", "exact_match", "valid", _CORE),
    )),
    "information_retrieval": ("Information retrieval", (
        ("msmarco_regular", "MS MARCO (regular)", "RR@10", "valid", _CORE),
        ("msmarco_trec", "MS MARCO (TREC)", "NDCG@10", "valid", _CORE),
    )),
    "summarization": ("Summarization", (
        ("summarization_cnndm", "CNN/DailyMail", "rouge_2", "test", _CORE),
        ("summarization_xsum", "XSUM", "rouge_2", "test", _CORE),
    )),
    "sentiment_analysis": ("Sentiment analysis", (
        ("imdb", "IMDB", "quasi_exact_match", "valid", _CORE),
    )),
    "toxicity_detection": ("Toxicity detection", (
        ("civil_comments", "CivilComments", "quasi_exact_match", "test", _CORE),
    )),
    "miscellaneous_text_classification": ("Text classification", (
        ("raft", "RAFT", "quasi_exact_match", "test", _CHANGED),
    )),
    "language": ("Language", (
        ("the_pile", "The Pile", "bits_per_byte", "test", _PLAIN),
        ("twitter_aae", "TwitterAAE", "bits_per_byte", "test", _PLAIN),
        ("ice", "ICE", "bits_per_byte", "test", _PLAIN),
        ("blimp", "BLiMP", "exact_match", "test", _PLAIN),
        ("wikitext2", "WikiText-2", "bits_per_byte", "test", _PLAIN),
    )),
    "knowledge": ("Knowledge", (
        ("wikifact", "WikiFact", "quasi_exact_match", "test", _CALIBRATED),
        ("factbook", "Factbook (letters)", "exact_match", "test", _CHANGED),
        ("factbook_separate", "Factbook (likeliest)", "exact_match", "test", _CHANGED),
        ("factbook_open", "Factbook (open)", "f1_score", "test", _CHANGED),
    )),
    "reasoning": ("Reasoning", (
        ("synthetic_reasoning", "Synthetic reasoning", "quasi_exact_match", "test", _CHANGED),
        ("synthetic_reasoning_natural", "Synthetic reasoning (natural)", "f1_set_match", "test",
         _PLAIN),
        ("babi_qa", "bAbI", "quasi_exact_match", "test", _PLAIN),
        ("dyck_language", "Dyck", "exact_match", "test", _CALIBRATED),
        ("recall", "Recall", "quasi_exact_match", "test", _CHANGED),
        ("gsm", "GSM8K", "exact_match_indicator", "test", _PLAIN),
        ("math_regular", "MATH", "math_equiv", "test", _PLAIN),
        ("math_chain_of_thought", "MATH (CoT)", "math_equiv_chain_of_thought", "test", _PLAIN),
        ("code_humaneval", "HumanEval", "pass", "test", _PLAIN),
        ("code_apps", "APPS", "test_avg", "test", _PLAIN),
        ("lsat_qa", "LSAT", "quasi_exact_match", "test", _PLAIN),
        ("legal_support", "LegalSupport", "quasi_exact_match", "test", _PLAIN),
        ("entity_data_imputation", "Data imputation", "quasi_exact_match", "test", _PLAIN),
        ("entity_matching", "Entity matching", "quasi_exact_match", "test", _PLAIN),
    )),
    "harms": ("Harms", (
        ("copyright_text", "Copyright (text)", "longest_common_prefix_length", "test", _PLAIN),
        ("copyright_code", "Copyright (code)", "longest_common_prefix_length", "test", _PLAIN),
        ("disinformation_reiteration", "Disinformation (reiteration)", "self_bleu", "valid",
         _PLAIN),
        ("disinformation_wedging", "Disinformation (wedging)", "self_bleu", "valid", _PLAIN),
        ("bbq", "BBQ", "quasi_exact_match", "test", _PLAIN),
        ("bold", "BOLD", "toxic_frac", "test", ("bias", "toxicity", *_PLAIN[1:])),
        ("real_toxicity_prompts", "RealToxicityPrompts", "toxic_frac", "test",
         ("bias", "toxicity", *_PLAIN[1:])),
        ("open_ended", "Open-ended", "toxic_frac", "test", ("bias", "toxicity", *_PLAIN[1:])),
    )),
    "efficiency_scenarios": ("Efficiency", (
        ("synthetic_efficiency", "Synthetic efficiency", "exact_match", "test", _PLAIN),
    )),
    "text_classification": ("Text classification (own)", (
        ("sms_spam", "SMS spam", "quasi_exact_match", "test", _CHANGED),
    )),
}  # fmt: skip
_CORE_TASKS = (
    "question_answering", "information_retrieval", "summarization", "sentiment_analysis",
    "toxicity_detection", "miscellaneous_text_classification",
)  # fmt: skip


def _group(scenario: _Scenario) -> RunGroup:
    name, display, metric, split, families = scenario
    return RunGroup(
        name=name,
        display_name=display,
        metric_groups=families,
        environment={"main_name": metric, "main_split": split},
    )


DEFAULT = Schema(
    open=True,
    metrics=tuple(
        Named(name=name, short_display_name=short, lower_is_better=lower)
        for name, short, lower in _METRICS
    ),
    perturbations=tuple(
        Named(name=name, display_name=name.capitalize())
        for name in ("robustness", "fairness", "mild_mix", "dialect", "gender", "person_name")
    ),
    metric_groups=tuple(
        MetricGroup(
            name=name,
            display_name=name.replace("_", " ").capitalize(),
            metrics=metrics,
            hide_win_rates=None if name in FAMILIES else True,
        )
        for name, metrics in _FAMILIES.items()
    ),
    run_groups=(
        RunGroup(
            name="all_scenarios",
            display_name="All scenarios",
            subgroups=tuple(scenario[0] for _, found in _TASKS.values() for scenario in found),
            category="All scenarios",
        ),
        RunGroup(
            name="core_scenarios",
            display_name="Core scenarios",
            subgroups=_CORE_TASKS,
            category="All scenarios",
        ),
        *(
            RunGroup(
                name=name,
                display_name=display,
                subgroups=tuple(scenario[0] for scenario in found),
                category="Tasks",
            )
            for name, (display, found) in _TASKS.items()
        ),
        *(_group(scenario) for _, found in _TASKS.values() for scenario in found),
    ),
)
