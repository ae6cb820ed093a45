use axum::response::Response;

use super::{
    path::{Id, Service},
    view,
};
use crate::problem::Problem;

pub(crate) async fn get(Service(sources): Service, Id(id): Id) -> Result<Response, Problem> {
    let entry = sources.get(&id).await?;
    Ok(view::reply(None, &entry))
}
