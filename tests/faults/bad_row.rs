//! Rows with bytes that are not text, in a database that stores any bytes: only these rows are refused, and all others
//! count.

use std::time::{Duration, Instant};

use harness::Services;
use harness::postgres::{connect, execute};

use crate::SOON;
use crate::load::pause;
use crate::options::TestbedOptions;
use crate::report::Report;
use crate::testbed::{Testbed, seconds};

const NAME: &str = "bad-row";
/// The beginning of the ids of orders that cannot be read.
const BAD: &str = "bad-";
const AGAIN: Duration = Duration::from_millis(50);

/// Written while the program runs, or while it is down; removed before the next one, or left where they are.
pub(crate) fn written(services: &Services, report: &mut Report, times: usize) {
    services
        .postgres
        .execute(&format!("CREATE DATABASE \"{NAME}\" ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"));
    let options = TestbedOptions { database: Some(services.postgres.url_of(NAME)), ..TestbedOptions::default() };
    let mut testbed = Testbed::open_on(services, NAME, options);
    testbed.left_out = Some(BAD);
    for number in 0..times {
        testbed.let_run(seconds(2));
        let stopped = number % 2 == 1;
        if stopped {
            testbed.kill();
        }
        let known = testbed.letters(services).len();
        // A byte that begins no character, one that ends none, and one of Latin-1.
        let byte = ["\\377", "\\200", "\\351x"][number % 3];
        let order = format!("{BAD}{number}-{byte}");
        execute(
            &testbed.database,
            &format!(
                "INSERT INTO orders VALUES (E'{order}', 'u-1', now());
                 INSERT INTO order_items SELECT E'{order}', product_id FROM products;
                 UPDATE orders SET user_id = 'u-2' WHERE order_id = E'{order}'"
            ),
        );
        if stopped {
            testbed.start_again();
        }
        let (summary, mut differences) = testbed.settle(services);
        let begun = Instant::now();
        let mut letters = 0;
        while letters == 0 && begun.elapsed() < SOON {
            letters = testbed.letters(services).len() - known;
            pause(AGAIN);
        }
        if letters == 0 {
            differences.push(format!("no row of {order} became a dead letter"));
        }
        let removed = number % 4 < 2;
        if removed {
            let gone = "DELETE FROM order_items WHERE starts_with(order_id, $1)";
            let mut client = connect(&testbed.database);
            client.execute(gone, &[&BAD]).expect("the query is valid");
            client.execute(&gone.replace("order_items", "orders"), &[&BAD]).expect("the query is valid");
        }
        let kind = if stopped { "written while the program was down" } else { "written while it ran" };
        report.fault(&format!("{kind}, {letters} dead letters, {summary}"), differences);
    }
}
