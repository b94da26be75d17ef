//! Models that are off, and recommendations at the older addresses that a model makes.

use dataflow::rules::RecommendationRule;
use recommend::SourceName;
use serde_json::json;

use crate::shop::{Shop, bought, now_ms, product, viewed};

#[test]
fn a_list_of_a_model_that_is_off_names_the_setting_that_switches_it_on() {
    let shop = Shop::open();
    shop.happened([viewed("ada", "tea", now_ms())]);
    let mut connection = shop.connect();
    for target in ["/v1/products/tea/similar", "/v1/products/unheard/similar", "/v1/users/ada/for-you"] {
        let answer = connection.get(target);
        answer.assert_problem(409, "model-off");
        assert!(answer.text().contains("models.co_views.enabled"), "{}", answer.text());
    }
    let answer = connection.get("/v1/users/ada/buy-again");
    answer.assert_problem(409, "model-off");
    assert!(answer.text().contains("models.buy_again.enabled"), "{}", answer.text());
    let answer = connection.ask("POST", "/v1/recommendations", &[], b"{}");
    answer.assert_problem(409, "model-off");
    assert_eq!(connection.get("/v1/users/ada/recommendations").status, 200, "the older lists need no model");
}

#[test]
fn a_chain_without_a_model_needs_none() {
    let shop = Shop::learning(1, |rules, recommendations| {
        (rules.co_views.enabled, rules.buy_again.enabled) = (false, false);
        recommendations.home = vec![SourceName::BestSellers];
    });
    shop.happened(bought("tea", 1));
    assert_eq!(shop.get("/v1/users/ada/for-you").products(), ["tea"]);
    shop.get("/v1/users/ada/for-you?context=basket").assert_problem(409, "model-off");
}

#[test]
fn recommendations_keep_their_meaning_unless_the_rules_say_otherwise() {
    for rule in [RecommendationRule::BestSellersForYou, RecommendationRule::ForYou] {
        let shop = Shop::learning(1, |rules, _| rules.recommendations = rule);
        shop.happened([
            product("tea", "drinks"),
            viewed("bea", "tea", now_ms() - 9),
            viewed("bea", "mug", now_ms() - 8),
        ]);
        shop.happened(bought("tea", 2));
        shop.happened([viewed("ada", "tea", now_ms() - 7)]);
        let mut connection = shop.connect();
        let products = match rule {
            RecommendationRule::BestSellersForYou => json!(["tea"]),
            RecommendationRule::ForYou => json!(["mug"]),
        };
        let answer = connection.get("/v1/users/ada/recommendations?explain=true").json();
        assert_eq!(answer["products"], products);
        assert_eq!(answer.get("answer_id").is_some(), rule == RecommendationRule::ForYou);
        let legacy = connection.ask("GET", "/api/v1/user_history_recommendations/", &[("user-id", "ada")], b"");
        let text = format!(r#"{{"user-id":"ada","products":{products},"type":"personalized"}}"#);
        assert_eq!(legacy.text(), text, "exactly three keys");
        connection.get("/v1/users/ada/recommendations?limit=11").assert_problem(400, "bad-parameter");
    }
}
